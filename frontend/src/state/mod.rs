//! What more than one page knows: session, time range, theme, the page's title, toasts.

pub mod find;
pub mod load;
pub mod page;
pub mod query;
pub mod range;
pub mod session;
pub mod theme;
pub mod time_range;
pub mod time_text;
pub mod toasts;
