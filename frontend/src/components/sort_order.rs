//! The order of a table's rows in the page's URL, and the headings that change it.

use leptos::prelude::*;

use super::sort_header::{SortButton, Sorted};
use crate::state::range::use_change_query;

/// A column that rows can be ordered by.
pub struct Heading<C: 'static> {
    /// Which one.
    pub column: C,
    /// Its name in the URL.
    pub name: &'static str,
    /// What the table calls it.
    pub label: &'static str,
    /// What hovering tells.
    pub title: &'static str,
}

/// The columns of a table.
pub trait Columns: Copy + PartialEq + Send + Sync + 'static {
    /// All of them, from left to right.
    const HEADINGS: &'static [Heading<Self>];
    /// The order if the URL tells none: the largest of this column first.
    const DEFAULT: Self;

    /// Whether it holds text: aligned to the left, the first of the alphabet first.
    fn is_text(self) -> bool;
}

/// The order of the rows, as the URL says it: `rate` is up, `-rate` is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<C> {
    /// What the rows are ordered by.
    pub column: C,
    /// Whether the largest comes first.
    pub down: bool,
}

impl<C: Columns> Order<C> {
    /// From the URL; what names no column gives the default.
    pub fn parse(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default();
        let (name, down) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let heading = C::HEADINGS.iter().find(|heading| heading.name == name);
        heading.map_or(Self { column: C::DEFAULT, down: true }, |it| Self { column: it.column, down })
    }

    /// The form of the URL.
    pub fn name(self) -> String {
        let heading = C::HEADINGS.iter().find(|heading| heading.column == self.column);
        format!("{}{}", if self.down { "-" } else { "" }, heading.map_or("", |heading| heading.name))
    }

    /// After a click on a heading: the other way round, or by that column, the worst first.
    pub fn clicked(self, column: C) -> Self {
        let down = if self.column == column { !self.down } else { !column.is_text() };
        Self { column, down }
    }

    fn sorted(self, column: C) -> Sorted {
        match (self.column == column, self.down) {
            (false, _) => Sorted::No,
            (true, false) => Sorted::Up,
            (true, true) => Sorted::Down,
        }
    }
}

/// The row of headings; a click changes `sort` in the URL.
pub fn headings<C: Columns>(order: Memo<Order<C>>) -> impl IntoView {
    let change = StoredValue::new_local(use_change_query());
    let heading = move |heading: &'static Heading<C>| {
        let column = heading.column;
        let sorted = Signal::derive(move || order.get().sorted(column));
        let sort = Callback::new(move |()| {
            let next = order.get_untracked().clicked(column).name();
            change.with_value(|change| change(&|query| query.set("sort", next.clone())));
        });
        view! {
            <th scope="col" class:num=!column.is_text() aria-sort=move || sorted.get().aria()>
                <SortButton label=heading.label title=heading.title sorted=sorted sort=sort />
            </th>
        }
    };
    view! { <tr>{C::HEADINGS.iter().map(heading).collect_view()}</tr> }
}
