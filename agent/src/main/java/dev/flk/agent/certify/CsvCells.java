// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.program.cli.Printable;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** The records of a CSV, divided into cells. Owned by one thread. */
final class CsvCells {
    /** The part of FastCSV's messages that names the first line of the record that it can't read. */
    private static final Pattern STARTED = Pattern.compile("started in line (\\d+)");

    private static final Pattern NAME = Pattern.compile("[\\p{L}\\p{N}_.-]+");
    private static final int SHOWN_CHARS = 40;

    private final CsvDialect dialect;
    private final Iterator<CsvRecord> records;
    private long line;

    /** Creates a reader of the records after the lines to skip. The caller closes the stream. */
    CsvCells(InputStream stream, CsvFormat format) throws IOException, MalformedCsv {
        BufferedReader text;
        try {
            text = format.text(stream);
            dialect = CsvDialect.detect(text, format);
        } catch (EOFException | ZipException e) {
            throw damaged(e);
        }
        records = CsvReader.builder()
                .fieldSeparator(dialect.delimiter())
                .skipEmptyLines(true)
                .allowExtraFields(true)
                .allowMissingFields(true)
                .trimWhitespacesAroundQuotes(true)
                .maxBufferSize(CsvDialect.MAX_CHARS)
                .ofCsvRecord(text)
                .iterator();
    }

    CsvDialect dialect() {
        return dialect;
    }

    /** Returns the number of the line at which the last record starts. */
    long line() {
        return line;
    }

    /** Returns the next record that is not blank; null after the last one. */
    @Nullable
    CsvRecord next() throws IOException, MalformedCsv {
        try {
            while (records.hasNext()) {
                CsvRecord next = records.next();
                line = dialect.linesBefore() + next.getStartingLineNumber();
                if (next.getFieldCount() > 1 || !next.getField(0).isBlank()) {
                    return next;
                }
            }
            return null;
        } catch (UncheckedIOException e) {
            if (e.getCause() instanceof EOFException || e.getCause() instanceof ZipException) {
                throw damaged(e.getCause());
            }
            throw e.getCause();
        } catch (CsvParseException e) {
            Matcher started = STARTED.matcher(String.valueOf(e.getMessage()));
            line = started.find() ? dialect.linesBefore() + Long.parseLong(started.group(1)) : line + 1;
            throw malformed("can't be split into cells: a quote is not closed, or a cell is longer than "
                    + CsvDialect.MAX_CHARS + " characters; is this a CSV file?");
        }
    }

    private static MalformedCsv damaged(IOException cause) {
        return new MalformedCsv("the compressed file is damaged or incomplete: " + cause.getMessage());
    }

    /** Returns the error for a mistake in the line that was read last. */
    MalformedCsv malformed(String what) {
        return new MalformedCsv("line " + line + ": " + what);
    }

    /**
     * Returns a text from the file as it is shown on a terminal: truncated, {@link Printable}, and in quotes unless it
     * looks like a name.
     */
    static String shown(String text) {
        String clean = Printable.of(text.replace('\t', '?'));
        String cut = clean.length() > SHOWN_CHARS ? clean.substring(0, SHOWN_CHARS) + "…" : clean;
        return NAME.matcher(cut).matches() && !NumberColumn.isNumber(cut) ? cut : "\"" + cut + "\"";
    }
}
