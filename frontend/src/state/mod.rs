//! What more than one page knows: session, time range, theme, the page's title, toasts, remembered switches.

pub mod find;
pub mod flag;
pub mod load;
pub mod page;
pub mod query;
pub mod range;
pub mod session;
pub mod theme;
pub mod time_range;
pub mod time_text;
pub mod toasts;
