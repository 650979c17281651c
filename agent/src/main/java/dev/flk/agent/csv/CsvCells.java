// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import de.siegmar.fastcsv.reader.CommentStrategy;
import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.program.cli.Printable;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.FilterReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.Iterator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** The records of a CSV, divided into cells. Owned by one thread. */
final class CsvCells {
    /** The part of FastCSV's messages that names the first line of the record that it can't read. */
    private static final Pattern STARTED = Pattern.compile("started in line (\\d+)");

    private static final Pattern NAME = Pattern.compile("[\\p{L}\\p{N}_.-]+");
    /** The blanks that look like the one on a keyboard but are other characters. */
    private static final Pattern OTHER_BLANK = Pattern.compile("[\\p{Zs}&&[^ ]]");

    private static final int SHOWN_CHARS = 40;

    private final CsvDialect dialect;
    private final BufferedReader buffered;
    private final LastCharacter text;
    private final CsvReader.CsvReaderBuilder reader;
    /** The records of a complete file. */
    private final Iterator<CsvRecord> records;

    private final boolean isGrowing;
    private final int skippedLastLines;
    /** The records that were read and may be the last ones, which are skipped. */
    private final Deque<CsvRecord> ahead = new ArrayDeque<>();

    private long line;
    /** The line of a growing file that was read last, or its beginning. */
    private String written = "";

    /**
     * Creates a reader of the records after the lines to skip. The caller closes the stream.
     *
     * @param isGrowing whether each line is a record, so that a mistake in one does not concern the next; the stream
     *     must then return all bytes again after a reset
     */
    CsvCells(InputStream stream, CsvFormat format, boolean isGrowing) throws IOException, MalformedCsv {
        this.isGrowing = isGrowing;
        try {
            BufferedReader first = format.text(stream, isGrowing);
            dialect = CsvDialect.detect(first, format, isGrowing);
            if (isGrowing) { // the first reader has a large buffer, which each file that is followed would keep
                stream.reset();
            }
            buffered = isGrowing ? format.text(stream, true) : first;
            if (isGrowing) {
                for (long i = 0; i < dialect.linesBefore(); i++) {
                    buffered.readLine();
                }
            }
            text = new LastCharacter(buffered);
        } catch (EOFException | ZipException e) {
            throw damaged(e);
        }
        Optional<Character> comment = format.filter().comment();
        reader = CsvReader.builder()
                .commentStrategy(comment.isPresent() ? CommentStrategy.SKIP : CommentStrategy.NONE)
                .commentCharacter(comment.orElse('#'))
                .fieldSeparator(dialect.delimiter())
                .skipEmptyLines(true)
                .allowExtraFields(true)
                .allowMissingFields(true)
                .trimWhitespacesAroundQuotes(true)
                .maxBufferSize(CsvDialect.MAX_CHARS);
        records = isGrowing
                ? Collections.emptyIterator()
                : reader.ofCsvRecord(text).iterator();
        skippedLastLines = format.filter().skippedLastLines();
        line = dialect.linesBefore();
    }

    /** A reader that remembers the last character, to tell whether a text ends within a line. */
    private static final class LastCharacter extends FilterReader {
        private int last = '\n';

        LastCharacter(Reader text) {
            super(text);
        }

        @Override
        public int read() throws IOException {
            int next = super.read();
            last = next < 0 ? last : next;
            return next;
        }

        @Override
        public int read(char[] target, int offset, int length) throws IOException {
            int read = super.read(target, offset, length);
            last = read > 0 ? target[offset + read - 1] : last;
            return read;
        }
    }

    CsvDialect dialect() {
        return dialect;
    }

    /** Returns the number of the line at which the last record starts. */
    long line() {
        return line;
    }

    /** Returns the text of the last record of a growing file. */
    String written() {
        return written;
    }

    /** Returns whether the last record, which was returned last, has no line end, and may be incomplete. */
    boolean isLastWithoutEnd() {
        return text.last != '\n' && text.last != '\r' && skippedLastLines == 0;
    }

    /** Returns the next record that is not blank; null after the last one that is not skipped. */
    @Nullable
    CsvRecord next() throws IOException, MalformedCsv {
        if (isGrowing) {
            return nextLine();
        }
        for (CsvRecord read = read(); read != null; read = read()) {
            ahead.add(read);
            if (ahead.size() > skippedLastLines) {
                CsvRecord next = ahead.remove();
                line = lineOf(next);
                return next;
            }
        }
        return null;
    }

    private @Nullable CsvRecord nextLine() throws IOException, MalformedCsv {
        for (String next = buffered.readLine(); next != null; next = buffered.readLine()) {
            line++;
            written = next.substring(0, Math.min(next.length(), CsvDialect.MAX_CHARS));
            if (next.length() > CsvDialect.MAX_CHARS) {
                throw indivisible();
            }
            if (!next.isBlank()) {
                CsvRecord record = record(next);
                if (record.getFields().stream().anyMatch(cell -> cell.indexOf('\n') >= 0)) {
                    throw indivisible(); // the end of the line is in quotes
                }
                return record;
            }
        }
        return null;
    }

    private CsvRecord record(String text) throws MalformedCsv {
        try {
            return reader.ofSingleCsvRecord(text + "\n");
        } catch (CsvParseException e) {
            throw indivisible();
        }
    }

    private MalformedCsv indivisible() {
        return malformed("can't be split into cells: a quote is not closed, or a cell is longer than "
                + CsvDialect.MAX_CHARS + " characters; is this a CSV file?");
    }

    /** Returns the records at the end of a file that {@code --skip-last-lines} skips. */
    Iterable<CsvRecord> skippedLast() {
        return ahead;
    }

    long lineOf(CsvRecord each) {
        return dialect.linesBefore() + each.getStartingLineNumber();
    }

    private @Nullable CsvRecord read() throws IOException, MalformedCsv {
        try {
            while (records.hasNext()) {
                CsvRecord next = records.next();
                if (next.getFieldCount() > 1 || !next.getField(0).isBlank()) {
                    return next;
                }
                line = lineOf(next);
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
            throw indivisible();
        }
    }

    private static MalformedCsv damaged(IOException cause) {
        return new MalformedCsv("the compressed file is damaged or incomplete: " + cause.getMessage());
    }

    /** Returns the error for a mistake in the line that was read last. */
    MalformedCsv malformed(String what) {
        return new MalformedCsv(at(what));
    }

    /** Returns a message about the line that was read last. */
    String at(String what) {
        return "line " + line + ": " + what;
    }

    /**
     * Returns a text from the file as it is shown on a terminal: truncated, {@link Printable}, and in quotes unless it
     * looks like a name. A blank that is not the one on a keyboard is shown as its code.
     */
    static String shown(String text) {
        String clean = Printable.of(OTHER_BLANK
                .matcher(text.replace('\t', '?'))
                .replaceAll(blank -> "[U+%04X]".formatted((int) blank.group().charAt(0))));
        String cut = clean.length() > SHOWN_CHARS ? clean.substring(0, SHOWN_CHARS) + "…" : clean;
        return NAME.matcher(cut).matches() && !NumberColumn.isNumber(cut) ? cut : "\"" + cut + "\"";
    }
}
