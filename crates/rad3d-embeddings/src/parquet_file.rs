//! The table as Parquet: columns `id`, `path`, `embedding` and `logits` (lists of float), the
//! provenance as file metadata `rad3d.provenance`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::{Field, Row, RowAccessor};
use parquet::schema::parser::parse_message_type;

use crate::error::{EmbeddingsError, Fault, Result};
use crate::table::{EmbeddingRow, EmbeddingTable, Provenance};

const SCHEMA: &str = "
message embeddings {
  required binary id (STRING);
  required binary path (STRING);
  required group embedding (LIST) { repeated group list { required float element; } }
  required group logits (LIST) { repeated group list { required float element; } }
}";

/// Key of the provenance in the file's metadata.
const PROVENANCE: &str = "rad3d.provenance";

/// Rows written together; 8,192 rows of 530 numbers are 17 MB.
const ROWS_PER_GROUP: usize = 8192;

/// Writes `table` to `path`, whole or not at all.
///
/// # Errors
/// [`Fault::Output`].
pub fn write_parquet(path: &Path, table: &EmbeddingTable) -> Result<()> {
    let unwritable = |error: &dyn std::fmt::Display| EmbeddingsError::unwritable(path, error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let temporary = tempfile::Builder::new()
        .prefix(".rad3d-")
        .suffix(".part")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| unwritable(&error))?;
    write_to(temporary.as_file(), table).map_err(|error| unwritable(&error))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(|error| unwritable(&error))?;
    temporary
        .persist(path)
        .map_err(|error| unwritable(&error.error))?;
    Ok(())
}

fn write_to(file: &File, table: &EmbeddingTable) -> Result<(), ParquetError> {
    let provenance = serde_json::to_string(&table.provenance)
        .map_err(|error| ParquetError::External(Box::new(error)))?;
    let metadata = vec![KeyValue::new(PROVENANCE.to_owned(), provenance)];
    // Embeddings are noise to a compressor and to a dictionary.
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(metadata))
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    for rows in table.rows.chunks(ROWS_PER_GROUP) {
        let mut group = writer.next_row_group()?;
        write_text(&mut group, rows.iter().map(|row| row.id.as_str()))?;
        write_text(&mut group, rows.iter().map(|row| row.path.as_str()))?;
        write_lists(&mut group, rows.iter().map(|row| row.embedding.as_slice()))?;
        write_lists(&mut group, rows.iter().map(|row| row.logits.as_slice()))?;
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

type GroupWriter<'g, 'f> = SerializedRowGroupWriter<'g, &'f File>;

fn write_text<'a>(
    group: &mut GroupWriter<'_, '_>,
    values: impl Iterator<Item = &'a str>,
) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = values.map(ByteArray::from).collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, None, None)?;
        column.close()?;
    }
    Ok(())
}

/// Lists as Parquet levels: an element is defined (1) or its list is empty (0); it opens a list
/// (repetition 0) or goes on with one (1).
fn write_lists<'a>(
    group: &mut GroupWriter<'_, '_>,
    lists: impl Iterator<Item = &'a [f32]>,
) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        if list.is_empty() {
            defined.push(0);
            repeated.push(0);
        }
        for (index, value) in list.iter().enumerate() {
            values.push(*value);
            defined.push(1);
            repeated.push(i16::from(index > 0));
        }
    }
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<FloatType>()
            .write_batch(&values, Some(&defined), Some(&repeated))?;
        column.close()?;
    }
    Ok(())
}

/// Reads a table that [`write_parquet`] wrote.
///
/// # Errors
/// [`Fault::Unreadable`]; [`Fault::Content`] when it is no such table.
pub fn read_parquet(path: &Path) -> Result<EmbeddingTable> {
    let file = File::open(path).map_err(|error| EmbeddingsError::unreadable(path, error))?;
    let content = |what: String| {
        let hint = "give a file that `rad3d encode` wrote";
        EmbeddingsError::new(Fault::Content, path, what, hint)
    };
    let damaged = |error: ParquetError| content(format!("is no table of embeddings ({error})"));
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let provenance = metadata
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == PROVENANCE))
        .and_then(|pair| pair.value.as_deref())
        .ok_or_else(|| content("does not say which model made it".into()))?;
    let provenance: Provenance = serde_json::from_str(provenance)
        .map_err(|error| content(format!("says what made it in no way known here ({error})")))?;
    let rows = reader.get_row_iter(None).map_err(damaged)?;
    let rows = rows
        .map(|row| row.and_then(|row| read_row(&row)))
        .collect::<Result<_, _>>();
    Ok(EmbeddingTable {
        provenance,
        rows: rows.map_err(damaged)?,
    })
}

fn read_row(row: &Row) -> Result<EmbeddingRow, ParquetError> {
    Ok(EmbeddingRow {
        id: row.get_string(0)?.clone(),
        path: row.get_string(1)?.clone(),
        embedding: floats(row, 2)?,
        logits: floats(row, 3)?,
    })
}

fn floats(row: &Row, column: usize) -> Result<Vec<f32>, ParquetError> {
    let elements = row.get_list(column)?.elements();
    let floats = elements.iter().map(|field| match field {
        Field::Float(value) => Ok(*value),
        other => Err(ParquetError::General(format!(
            "{other} where a float was expected"
        ))),
    });
    floats.collect()
}
