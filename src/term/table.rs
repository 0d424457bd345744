//! Columns that line up.

use super::text::visible;

/// A table with its header, columns three spaces apart, nothing behind the last one.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut cells = vec![header.map(ToOwned::to_owned)];
    cells.extend(
        rows.iter()
            .map(|row| row.clone().map(|cell| visible(&cell))),
    );
    let widths: [usize; N] = std::array::from_fn(|column| {
        let width = |row: &[String; N]| row[column].chars().count();
        cells.iter().map(width).max().unwrap_or(0)
    });
    let mut out = String::new();
    for row in &cells {
        let padded: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        out.push_str(padded.join("   ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            ["hub-db-1", "Up 2 s"].map(ToOwned::to_owned),
            ["hub-a-1", ""].map(ToOwned::to_owned),
        ];
        assert_eq!(
            table(["NAME", "STATUS"], &rows),
            "NAME       STATUS\nhub-db-1   Up 2 s\nhub-a-1\n"
        );
    }
}
