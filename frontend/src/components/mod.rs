//! Shared pieces of pages.

pub mod combobox;
pub mod confirm;
pub mod copy_button;
pub mod dialog;
pub mod error_group;
pub mod field;
pub mod icon;
pub mod inputs;
pub mod keys_help;
pub mod level_mark;
pub mod list_keys;
pub mod log_links;
pub mod menu;
pub mod palette;
pub mod service_chip;
pub mod service_color;
pub mod shell;
pub mod sort_header;
pub mod sort_order;
pub mod stack_trace;
pub mod states;
pub mod time_cell;
pub mod time_range_picker;
pub mod toast_list;
pub mod user_menu;
pub mod virtual_rows;
