// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvRows.Row;
import dev.flk.agent.certify.RowOrder.Measured;
import dev.flk.agent.certify.Windows.Cutter;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a CSV that grows and is rotated, divided into windows. The files are read one after the other; their rows
 * form one sequence, so a window may begin in one file and end in the next, and rows that wait at the end of a file are
 * settled by rows of the next. Certifies each window as soon as it is complete, and never the last, incomplete one. Not
 * safe for several threads.
 *
 * <p>The <em>current</em> file is the one with the last row that was added to a window. It is an earlier file than the
 * one that is read as long as its rows wait.
 *
 * <p>The <em>heading</em> of a file consists of its lines before the first row. A writer that continues after its file
 * was truncated, or that opens a new file, may write no heading again; the heading of the file before then applies.
 */
public final class FollowedRows {
    private final Certifier certifier;
    private final Columns columns;
    private final CsvFormat format;
    private final Windows windows;
    private final Consumer<byte[]> each;
    private final CsvNotices notices;
    private Cutter cutter;
    private RowOrder order;
    private @Nullable CsvRows reading;
    private @Nullable CsvRows current;
    /** The number of rows in the files before the current one. */
    private long earlierRows;
    /** The number of rows of the current file so far. */
    private long rows;
    /** The number of rows at the beginning of the current file that belong to certified windows. */
    private long skippedRows;

    private double lastTime = Double.NEGATIVE_INFINITY;
    /** The time of the last row before those of the current file. */
    private double earlierTime = Double.NEGATIVE_INFINITY;

    private double timeBeforeOpen = Double.NEGATIVE_INFINITY;

    /** An action after a row was added to a window. */
    @FunctionalInterface
    public interface RowListener {
        void added() throws IOException;
    }

    /**
     * The first rows of a file, with their times in seconds since 1970 or, without times, their numbers.
     *
     * @param time the time of the first row; of a local time that occurs twice, the first of its instants
     * @param laterTime the same, but the second of its instants
     * @param latestTime the latest instant that one of the rows may have
     */
    public record FirstRows(boolean hasTimes, double time, double laterTime, double latestTime) {}

    /** The beginning of a file, compared with the heading of the file before it. */
    public enum Beginning {
        /** More bytes are needed to decide. */
        UNDECIDED,
        /** The file has a heading of its own, or needs none. */
        HEADING,
        /** The file begins with a row, to which the heading of the file before it applies. */
        ROWS
    }

    /** A stream of one file. */
    public abstract static class File extends InputStream {
        /** Returns whether the stream ended before the file did. The last row may then be incomplete. */
        public abstract boolean isCut();

        /** Returns the name of the file for messages; empty if it is the name of the CSV. */
        public abstract Optional<String> otherName() throws IOException;
    }

    /**
     * Creates rows whose certificates are passed to {@code each}, in order.
     *
     * @param notices the receiver of notices about rows that wait or are left out
     */
    public FollowedRows(
            Certifier certifier,
            Columns columns,
            CsvFormat format,
            Windows windows,
            Consumer<byte[]> each,
            CsvNotices notices) {
        this.notices = notices;
        this.certifier = certifier;
        this.columns = columns;
        this.format = format;
        this.windows = windows;
        this.each = each;
        this.cutter = cutterAfter(0);
        this.order = new RowOrder(Optional.of(notices), Double.NEGATIVE_INFINITY);
    }

    private Cutter cutterAfter(long windowsBefore) {
        return windows.after(windowsBefore).cutter(window -> each.accept(certifier.next(window)));
    }

    /**
     * Continues after windows that were certified by an earlier run.
     *
     * @param readRows the number of rows in the files before the first that is read
     * @param time the time after which the rows of that file must be
     * @param skipped the number of rows at the beginning of that file that belong to certified windows
     */
    public void resume(long certifiedWindows, long readRows, double time, long skipped) {
        certifier.skip(certifiedWindows);
        cutter = cutterAfter(certifiedWindows);
        order = new RowOrder(Optional.of(notices), time);
        earlierRows = readRows;
        skippedRows = skipped;
        lastTime = time;
        earlierTime = time;
        timeBeforeOpen = time;
    }

    /**
     * Reads a file until its stream ends.
     *
     * @param after an action after each row of this file that is not skipped. A row that waits at the end of the file
     *     is added while a later file is read
     * @throws MalformedCsv if a line has a mistake; the message names the line. Windows that were complete before that
     *     line are certified
     */
    public void read(File csv, RowListener after) throws IOException, MalformedCsv {
        PushbackInputStream all = new PushbackInputStream(csv);
        int first = all.read();
        if (first < 0) {
            return; // the file has no content
        }
        all.unread(first);
        try {
            CsvRows source = new CsvRows(all, columns, format, order, reading, after);
            reading = source;
            if (current == null) {
                current = source;
            }
            Measured row = source.nextSettled();
            while (row != null && !csv.isCut()) {
                add(row);
                row = source.nextSettled();
            }
            if (!csv.isCut()) {
                order.reportLeftOut();
            }
        } catch (MalformedCsv e) {
            if (!csv.isCut()) {
                throw csv.otherName().isEmpty()
                        ? e
                        : new MalformedCsv(csv.otherName().get() + ": " + e.getMessage());
            }
        }
    }

    private void add(Measured measured) throws IOException, MalformedCsv {
        CsvRows source = measured.source();
        if (source != current) {
            current = source;
            earlierRows += rows;
            earlierTime = lastTime;
            rows = 0;
            skippedRows = 0;
        }
        Row row = measured.row();
        if (!source.hasTimes()) { // the rows of all files are numbered
            row = new Row(row.timestampSeconds() + earlierRows, row.values(), row.x(), row.y(), row.z());
        }
        double time = row.timestampSeconds();
        double before = lastTime;
        lastTime = time;
        rows++;
        if (rows > skippedRows) {
            cutter.add(row, source);
        }
        if (cutter.openRows() <= 1) {
            timeBeforeOpen = cutter.openRows() == 0 ? time : before;
        }
        if (rows > skippedRows) {
            source.after().added();
        }
    }

    /** Returns the time of the last row that was added to a window; without times, its number. */
    public double lastTime() {
        return lastTime;
    }

    /** Returns the earliest possible time of the last row that was read, even if that row still waits. */
    public double lastReadTime() {
        return order.lastSeconds();
    }

    /** Returns whether rows wait for later rows that settle them. */
    public boolean isWaiting() {
        return order.isWaiting();
    }

    /** Returns whether the rows of the file that was read last have times. */
    public boolean hasTimes() {
        return reading == null || reading.hasTimes();
    }

    /** Returns the number of rows before those of the current file. */
    public long earlierRows() {
        return earlierRows;
    }

    /** Returns the time of the last row before those of the current file. */
    public double earlierTime() {
        return earlierTime;
    }

    /**
     * Returns the time after which the rows of the current file must be. It is later than {@link #earlierTime} if the
     * last rows before were not settled and are not certified.
     */
    public double afterTime() {
        return current == null ? lastReadTime() : current.afterSeconds();
    }

    /** Returns the number of rows of the current file so far. */
    public long rows() {
        return rows;
    }

    /**
     * Returns the number of rows of the current file before the open window; negative if the open window began in an
     * earlier file.
     */
    public long rowsBeforeOpen() {
        return rows - cutter.openRows();
    }

    /** Returns the time of the last row before the open window. */
    public double timeBeforeOpen() {
        return timeBeforeOpen;
    }

    /** Returns the lines before the first row of a file whose first bytes are given; empty if the text is in UTF-16. */
    public byte[] heading(byte[] beginning) throws IOException {
        int heading = 0;
        if (isWide(beginning)) {
            return new byte[0];
        }
        for (int end = lineEnd(beginning, 0); end > 0; end = lineEnd(beginning, end)) {
            try {
                if (hasRow(rows(Arrays.copyOf(beginning, end)))) {
                    break;
                }
            } catch (MalformedCsv e) {
                // these lines do not name the columns yet
            }
            heading = end;
        }
        return Arrays.copyOf(beginning, heading);
    }

    /** Returns a reader of the beginning of a file, of which only {@link CsvRows#read} may be used. */
    private CsvRows rows(byte[] csv) throws IOException, MalformedCsv {
        return new CsvRows(new ByteArrayInputStream(csv), columns, format);
    }

    private static boolean hasRow(CsvRows source) throws IOException {
        try {
            return source.read() != null;
        } catch (MalformedCsv e) {
            return true;
        }
    }

    /**
     * Determines whether a file begins with a heading.
     *
     * @param heading the heading of the file before
     * @param file the first bytes of the file
     */
    public Beginning beginning(byte[] heading, byte[] file) throws IOException {
        if (heading.length > 0 && startsWith(file, heading)) {
            return Beginning.HEADING;
        }
        int complete = lastLineEnd(file);
        if (complete == 0 || startsWith(heading, file)) {
            return Beginning.UNDECIDED;
        }
        if (heading.length == 0) {
            return Beginning.HEADING;
        }
        return isReadable(joined(heading, Arrays.copyOf(file, complete)), 1) ? Beginning.ROWS : Beginning.HEADING;
    }

    /**
     * Returns whether a file begins with the rest of the incomplete last line of the file before.
     *
     * @param before the first lines of the file before, with its heading
     * @param line the incomplete line
     * @param file the first bytes of the file
     */
    public boolean continuesLine(byte[] before, byte[] line, byte[] file) throws IOException {
        int end = lineEnd(file, 0);
        boolean isNewLine = end == 0 || file[0] == '\n' || file[0] == '\r';
        return line.length > 0
                && !isNewLine
                && isReadable(joined(before, line, Arrays.copyOf(file, end)), Integer.MAX_VALUE);
    }

    private boolean isReadable(byte[] text, int atMostRows) throws IOException {
        try {
            CsvRows source = rows(text);
            Measured row = source.read();
            for (int i = 1; row != null && i < atMostRows; i++) {
                row = source.read();
            }
            return true;
        } catch (MalformedCsv e) {
            return false;
        }
    }

    /** Returns the rows in the first bytes of a file; empty if they contain no row. */
    public Optional<FirstRows> firstRows(byte[] beginning) throws IOException, MalformedCsv {
        CsvRows source = rows(beginning);
        Measured first = source.read();
        if (first == null) {
            return Optional.empty();
        }
        double latest = first.time().laterSeconds();
        try {
            for (Measured row = source.read(); row != null; row = source.read()) {
                latest = Math.max(latest, row.time().laterSeconds());
            }
        } catch (MalformedCsv e) {
            // the rows before the mistake suffice to find the place of the file among others
        }
        return Optional.of(new FirstRows(
                source.hasTimes(), first.time().seconds(), first.time().laterSeconds(), latest));
    }

    /** Returns the concatenation of these texts. */
    public static byte[] joined(byte[]... texts) {
        int length = Arrays.stream(texts).mapToInt(text -> text.length).sum();
        byte[] all = new byte[length];
        int at = 0;
        for (byte[] text : texts) {
            System.arraycopy(text, 0, all, at, text.length);
            at += text.length;
        }
        return all;
    }

    /** Returns whether a text begins with these bytes. */
    public static boolean startsWith(byte[] text, byte[] beginning) {
        return text.length >= beginning.length
                && Arrays.equals(text, 0, beginning.length, beginning, 0, beginning.length);
    }

    /** Returns the number of bytes up to the end of the last complete line; 0 if no line is complete. */
    public static int lastLineEnd(byte[] text) {
        int end = text.length;
        while (end > 0 && text[end - 1] != '\n' && text[end - 1] != '\r') {
            end--;
        }
        return end;
    }

    /** Returns the number of bytes up to the end of the line that begins at {@code from}; 0 if it is not complete. */
    private static int lineEnd(byte[] text, int from) {
        for (int i = from; i < text.length; i++) {
            if (text[i] == '\n') {
                return i + 1;
            }
            if (text[i] == '\r' && i + 1 < text.length) {
                return text[i + 1] == '\n' ? i + 2 : i + 1;
            }
        }
        return 0;
    }

    /** Returns whether a text is in UTF-16: its line ends can't be found by single bytes. */
    public static boolean isWide(byte[] text) {
        for (byte each : text) {
            if (each == 0) {
                return true;
            }
        }
        return false;
    }
}
