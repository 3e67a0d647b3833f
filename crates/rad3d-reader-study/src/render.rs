//! Writes the analysis as a page and as a table.

mod csv_table;
mod page;

pub use csv_table::csv;
pub use page::html;
