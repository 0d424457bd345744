//! Columns that line up.

use super::text::visible;

/// A table with its header, columns three spaces apart, nothing behind the last one.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let rows = rows.iter().map(|row| row.to_vec()).collect();
    columns(header.map(ToOwned::to_owned).to_vec(), rows)
}

/// The same with as many columns as there happen to be; each row has that many cells.
pub fn columns(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut cells = vec![header];
    for row in rows {
        cells.push(row.iter().map(|cell| visible(cell)).collect());
    }
    let mut widths = vec![0; cells[0].len()];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &cells {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
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
