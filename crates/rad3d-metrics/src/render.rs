//! An evaluation written down: `scores.csv` and one self-contained HTML page.

mod charts;
mod csv_table;
mod page;

pub use csv_table::csv;
pub use page::html;
