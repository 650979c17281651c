// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvRows.Row;
import dev.flk.agent.certify.RowOrder.Measured;
import dev.flk.agent.certify.Windows.Cutter;
import dev.flk.agent.certify.Windows.Window;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a CSV that grows and is rotated, divided into windows. The files are read one after the other; their rows
 * form one sequence, so a window may begin in one file and end in the next. Certifies each window as soon as it is
 * complete, and never the last, incomplete one, whose rows stay with the next ones. If a column names shards, each has
 * windows of its own. Not safe for several threads.
 *
 * <p>No row waits for a later one. The first row settles how all rows are written; a first row that leaves anything
 * open is refused. After that, a line that is not a measurement is left out, with a notice, and so are local times that
 * occur twice and rows after a clock was set back, until the times increase again.
 *
 * <p>The <em>heading</em> of a file consists of its lines before the first row. A writer that continues after its file
 * was truncated, or that opens a new file, may write no heading again; the heading of the file before then applies.
 */
public final class FollowedRows {
    private static final int WIDE_BYTES = 4;
    /** The first bytes of a text in UTF-16 or UTF-32: a byte order mark, or Latin letters. */
    private static final Pattern WIDE =
            Pattern.compile("\u00fe\u00ff|\u00ff\u00fe|\0\0\u00fe\u00ff|[^\0]\0[\0-\uffff]\0|\0[\0-\uffff]\0[^\0]");

    private final Certifier certifier;
    private final Columns columns;
    private final Windows windows;
    private final Consumer<byte[]> each;
    private final CsvNotices notices;
    private CsvFormat format;
    private final Map<String, Shard> shards = new LinkedHashMap<>();
    /** Whether a row was added to a window, perhaps by an earlier run. */
    private boolean isStarted;

    private boolean isUnderstood;
    private boolean hasTimes = true;
    /** The number of rows of all files that were added to windows. */
    private long rows;

    private double lastTime = Double.NEGATIVE_INFINITY;
    /** The number of files that were read in this run, including this one. */
    private long file;
    /** The place after the row that was read last. */
    private Place here = new Place(0, 0, Double.NEGATIVE_INFINITY, 0);

    private @Nullable Measured lastAdded;
    /** The number of lines of the next file that are done. */
    private long skippedLines;
    /** The number of lines of the file that is read that were done before. */
    private long skipped;

    /** A line that was read but whose notice could not be given yet; null if no notice is pending. */
    private @Nullable LeftOut unnoticed;

    private @Nullable File current;
    /** The reader of the current file; null until its heading is complete. */
    private @Nullable CsvRows source;

    /**
     * A place between two rows.
     *
     * @param file the number of the file in this run
     * @param rows the number of rows of all files before it
     * @param time the latest of their times; negative infinity without one
     * @param lines the number of lines of the file before it
     */
    private record Place(long file, long rows, double time, long lines) {}

    /** A line that is not certified. */
    private record LeftOut(long line, String why, String text) {}

    /** The windows of one shard. */
    private final class Shard {
        private final String id;
        private final Cutter cutter;
        private long windows;
        /** The time of the last certified row, and the number of rows of all shards up to it. */
        private double certifiedTime;

        private long certifiedRows;
        /** The time of the last row before the one that is added, and the number of rows up to it. */
        private double lastTime;

        private long lastRow;
        /** Whether certified rows of the shard may be read again, until the last of them. */
        private boolean isAhead;
        /** The place before the first row of the open window. */
        private Place start = here;

        Shard(ShardProgress before) {
            id = before.shard();
            windows = before.windows();
            certifiedTime = before.time();
            lastTime = before.time();
            isAhead = before.isAhead();
            cutter = FollowedRows.this.windows.after(windows).cutter(this::certify, true);
        }

        private void certify(Window window) {
            windows++;
            certifiedTime = window.rows().get(window.rows().size() - 1).timestampSeconds();
            certifiedRows = certifiedTime > lastTime ? rows + 1 : lastRow;
            each.accept(certifier.next(window));
        }
    }

    /** An action after a row was added to a window. */
    @FunctionalInterface
    public interface RowListener {
        /** Returns whether to read more rows in this turn. */
        boolean added() throws IOException;
    }

    /** The reason why {@link #read} returned. */
    public enum End {
        /** The turn is over; the file may have more lines, now or later. */
        TURN,
        /** The file is complete. */
        FILE
    }

    /** The end of the lines that a file has at the moment, or of a turn. It is thrown after a complete line. */
    public static final class NoMoreYet extends IOException {
        public NoMoreYet() {
            super("the file has no more lines at the moment");
        }

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this; // it is thrown twice a second for each file
        }
    }

    /**
     * The part of the rows that is certified: all before a row, and of each shard perhaps some after it.
     *
     * @param file the number of the file with this row in this run
     * @param rows the number of rows before it
     * @param time the latest of their times; negative infinity without one
     * @param lines the number of lines at the beginning of the file that are done
     * @param settled the delimiter and, if it is settled, the decimal separator
     */
    public record Progress(long file, long rows, double time, long lines, String settled, List<ShardProgress> shards) {}

    /**
     * The certified rows of a shard.
     *
     * @param shard the text of the column that names the shard; empty without such a column
     * @param windows the number of its certified windows
     * @param time the time of its last certified row; negative infinity without one
     * @param isAhead whether this row is after the first row of {@link Progress} that is not certified
     */
    public record ShardProgress(String shard, long windows, double time, boolean isAhead) {}

    /**
     * The first rows of a file, with their times in seconds since 1970 or, without times, their numbers.
     *
     * @param isTwice whether the first row has a local time that occurs twice, of which {@code time} is the first
     * @param latestTime the latest instant that one of the rows may have
     */
    public record FirstRows(boolean hasTimes, double time, boolean isTwice, double latestTime) {}

    /** The beginning of a file, compared with the heading of the file before it. */
    public enum Beginning {
        /** More bytes are needed to decide. */
        UNDECIDED,
        /** The file has a heading of its own, or needs none. */
        HEADING,
        /** The file begins with a row, to which the heading of the file before it applies. */
        ROWS
    }

    /**
     * A stream of one file. It passes on complete lines only, and throws {@link NoMoreYet} after them while the file may
     * still grow.
     */
    public abstract static class File extends InputStream {
        /** Makes the next reads return all bytes since the first one again. */
        @Override
        public abstract void reset();

        /** Declares that {@link #reset} is not called again. */
        public abstract void begun();

        /** Returns the name of the file for messages; empty if it is the name of the CSV. */
        public abstract Optional<String> otherName() throws IOException;
    }

    /** Creates rows whose certificates are passed to {@code each}, in order. */
    public FollowedRows(
            Certifier certifier,
            Columns columns,
            CsvFormat format,
            Windows windows,
            Consumer<byte[]> each,
            CsvNotices notices) {
        this.certifier = certifier;
        this.columns = columns;
        this.format = format;
        this.windows = windows;
        this.each = each;
        this.notices = notices;
    }

    /**
     * Continues after the windows of an earlier run.
     *
     * @param isSameFile whether the first file is the one of the progress; if not, it is read from its beginning
     */
    public void resume(Progress progress, boolean isSameFile) {
        progress.shards().forEach(shard -> shards.put(shard.shard(), new Shard(shard)));
        certifier.skip(
                shards.values().stream().mapToLong(shard -> shard.windows).sum());
        rows = progress.rows();
        lastTime = progress.time();
        skippedLines = isSameFile ? progress.lines() : 0;
        String settled = progress.settled();
        format = format.settled(
                settled.charAt(0),
                settled.chars().skip(1).mapToObj(mark -> (char) mark).findFirst());
        isStarted = true;
    }

    /**
     * Reads lines of a file until it has no more at the moment, is complete, or the turn is over. Call this again with
     * the same file unless it is complete.
     *
     * @param after an action after each row that is added to a window
     * @throws MalformedCsv if the file has no such columns, or does not settle how its rows are written; the message
     *     names the line and the option. Windows that were complete before that line are certified
     */
    public End read(File csv, RowListener after) throws IOException, MalformedCsv {
        if (!csv.equals(current)) {
            current = csv;
            source = null;
            file++;
            here = new Place(file, rows, lastTime, 0);
        }
        try {
            if (source == null && !begin(csv)) {
                return End.FILE;
            }
            if (unnoticed != null) {
                leaveOut(csv, unnoticed);
            }
            Reading reading = Reading.MORE;
            while (reading == Reading.MORE) {
                reading = readRow(csv, Objects.requireNonNull(source), after);
            }
            if (reading == Reading.END) {
                notices.resumed();
            }
            return reading == Reading.END ? End.FILE : End.TURN;
        } catch (NoMoreYet e) {
            return End.TURN;
        } catch (MalformedCsv e) {
            throw csv.otherName().isEmpty()
                    ? e
                    : new MalformedCsv(csv.otherName().get() + ": " + e.getMessage());
        }
    }

    /** The result of reading one line. */
    private enum Reading {
        MORE,
        TURN_OVER,
        END
    }

    /** Reads the names of the columns. Returns false if the file ended without a line. */
    private boolean begin(File csv) throws IOException, MalformedCsv {
        csv.reset();
        if (csv.read() < 0) {
            return false;
        }
        csv.reset();
        CsvRows begun = new CsvRows(csv, columns, format, true, isStarted);
        csv.begun();
        hasTimes = begun.hasTimes();
        begun.skipTo(skippedLines);
        skipped = skippedLines;
        skippedLines = 0;
        source = begun;
        return true;
    }

    private Reading readRow(File csv, CsvRows source, RowListener after) throws IOException, MalformedCsv {
        try {
            Measured read = source.read();
            if (read == null) {
                return Reading.END;
            }
            Measured row = source.settled(read);
            Shard shard = shard(row, source);
            if (shard.isAhead && row.seconds() <= shard.certifiedTime) {
                shard.isAhead = row.seconds() < shard.certifiedTime;
                count(row.seconds(), row.line());
                shard.certifiedRows = rows;
                return after.added() ? Reading.MORE : Reading.TURN_OVER;
            }
            shard.isAhead = false;
            if (hasTimes && (row.time().isTwice() || row.seconds() <= shard.lastTime)) {
                Optional<String> sensors =
                        lastAdded == null || rows > 1 ? Optional.empty() : source.sensors(lastAdded, row);
                if (sensors.isPresent()) {
                    throw new MalformedCsv(source.about(row, "is not after the last row: " + sensors.get()), true);
                }
                String why = row.time().isTwice()
                        ? row.time().readings()
                        : "is not after the last row; was the clock set back?";
                leaveOut(csv, new LeftOut(row.line(), source.about(row, why), source.written()));
                return Reading.MORE;
            }
            add(row.row(), row.line(), shard, source);
            lastAdded = row;
        } catch (MalformedCsv e) {
            if (!isStarted || e.isOptionMissing) {
                throw e;
            }
            if (source.line() > skipped) { // the notice about an earlier line was given before the restart
                leaveOut(csv, new LeftOut(source.line(), String.valueOf(e.getMessage()), source.written()));
            }
            return Reading.MORE;
        }
        notices.resumed();
        return after.added() ? Reading.MORE : Reading.TURN_OVER;
    }

    private void leaveOut(File csv, LeftOut line) throws IOException {
        unnoticed = line;
        notices.leftOut(csv, line.line(), line.why(), line.text());
        unnoticed = null;
    }

    private Shard shard(Measured row, CsvRows source) throws MalformedCsv {
        Shard known = shards.get(row.shard());
        if (known != null) {
            return known;
        }
        source.checkNewShard(row, shards.size());
        return new Shard(new ShardProgress(row.shard(), 0, Double.NEGATIVE_INFINITY, false));
    }

    private void count(double time, long line) {
        rows++;
        lastTime = Math.max(lastTime, time);
        here = new Place(file, rows, lastTime, line);
    }

    private void add(Row read, long line, Shard shard, CsvRows source) throws MalformedCsv {
        Row row = hasTimes // otherwise, the rows of all files are numbered
                ? read
                : new Row((double) rows + 1, read.values(), read.x(), read.y(), read.z());
        Place before = new Place(file, rows, lastTime, line - 1);
        shards.put(shard.id, shard);
        shard.cutter.add(row, source);
        shard.start = shard.cutter.openRows() == 1 ? before : shard.start;
        count(row.timestampSeconds(), line);
        shard.lastTime = row.timestampSeconds();
        shard.lastRow = rows;
        format = source.format();
        if (!isUnderstood) {
            notices.understood(source.facts()
                    + windows.choice(row.values())
                            .map(choice -> "; windows: " + choice)
                            .orElse(""));
        }
        isUnderstood = true;
        isStarted = true;
    }

    /** Returns the time of the last row that was added to a window; without times, its number. */
    public double lastTime() {
        return lastTime;
    }

    /** Returns whether rows with this time may come after those that were added. */
    public boolean mayFollow(double time) {
        return time > lastTime || (columns.shard().isPresent() && time == lastTime);
    }

    /** Returns whether the rows of the file that was read last have times. */
    public boolean hasTimes() {
        return hasTimes;
    }

    /** Returns the number of rows that were added to windows. */
    public long rows() {
        return rows;
    }

    /** Returns the number of rows in open windows. */
    public long openRows() {
        return shards.values().stream()
                .mapToLong(shard -> shard.cutter.openRows())
                .sum();
    }

    /** Returns the number of shards. */
    public int shards() {
        return shards.size();
    }

    /** Returns the number of windows that were certified, in this run and in earlier ones. */
    public long windows() {
        return shards.values().stream().mapToLong(shard -> shard.windows).sum();
    }

    /** Returns the number of the file that was read last. */
    public long file() {
        return file;
    }

    /** Returns the progress, after a row was read. The first row that is not certified may be in an earlier file. */
    public Progress progress() {
        Place place = shards.values().stream()
                .filter(shard -> shard.cutter.openRows() > 0)
                .map(shard -> shard.start)
                .min(Comparator.comparingLong(Place::rows))
                .orElse(here);
        return new Progress(
                place.file(),
                place.rows(),
                place.time(),
                place.lines(),
                format.notation().delimiter().orElseThrow()
                        + format.decimal().map(String::valueOf).orElse(""),
                shards.values().stream()
                        .map(shard -> new ShardProgress(
                                shard.id,
                                shard.windows,
                                shard.certifiedTime,
                                shard.isAhead || shard.certifiedRows > place.rows()))
                        .toList());
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
        return new CsvRows(new ByteArrayInputStream(csv), columns, format, true, isStarted);
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
        if (heading.length > 0 && complete > 0 && file[0] == 0 && !isWide(file)) {
            return Beginning.ROWS; // after a block of NUL
        }
        if (complete == 0 || startsWith(heading, file)) {
            return Beginning.UNDECIDED;
        }
        if (heading.length == 0) {
            return Beginning.HEADING;
        }
        return isReadable(joined(heading, Arrays.copyOf(file, complete))) ? Beginning.ROWS : Beginning.HEADING;
    }

    /** Returns whether a file begins with the rest of the incomplete last line of the file before. */
    public boolean continuesLine(byte[] heading, byte[] line, byte[] file) throws IOException {
        int end = lineEnd(file, 0);
        boolean isNewLine = end == 0 || file[0] == '\n' || file[0] == '\r';
        return line.length > 0 && !isNewLine && isReadable(joined(heading, line, Arrays.copyOf(file, end)));
    }

    /** Returns whether the first line after a heading is a row. */
    private boolean isReadable(byte[] text) throws IOException {
        try {
            rows(text).read();
            return true;
        } catch (MalformedCsv e) {
            return false;
        }
    }

    /** Returns the rows in the first bytes of a file; empty if they contain no row. */
    public Optional<FirstRows> firstRows(byte[] beginning) throws IOException, MalformedCsv {
        CsvRows source = rows(beginning);
        Optional<Measured> first = Optional.empty();
        Optional<MalformedCsv> mistake = Optional.empty();
        double latest = Double.NEGATIVE_INFINITY;
        for (boolean hasMore = true; hasMore; ) {
            try {
                Optional<Measured> row = Optional.ofNullable(source.read());
                hasMore = row.isPresent();
                first = first.or(() -> row);
                latest = Math.max(
                        latest, row.map(each -> each.time().laterSeconds()).orElse(latest));
            } catch (MalformedCsv e) {
                mistake = Optional.of(e); // it is left out when the file is read
            }
        }
        if (first.isEmpty() && mistake.isPresent()) {
            throw mistake.get();
        }
        double latestTime = latest;
        return first.map(Measured::time)
                .map(time -> new FirstRows(source.hasTimes(), time.seconds(), time.isTwice(), latestTime));
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

    /** Returns whether a file is in UTF-16 or UTF-32: its line ends can't be found by single bytes. */
    public static boolean isWide(byte[] text) {
        byte[] first = Arrays.copyOf(text, Math.min(text.length, WIDE_BYTES));
        return WIDE.matcher(new String(first, StandardCharsets.ISO_8859_1)).lookingAt();
    }

    /** Returns the number of bytes up to the end of the last complete line of a text in UTF-16 or UTF-32. */
    public static int lastWideLineEnd(byte[] beginning, byte[] text) {
        boolean isBig = beginning[0] == 0 || (beginning[0] & 0xff) == 0xfe;
        boolean isUtf32 =
                isBig ? beginning[1] == 0 : beginning.length >= WIDE_BYTES && beginning[2] == 0 && beginning[3] == 0;
        int unit = isUtf32 ? 4 : 2;
        for (int end = text.length / unit * unit; end > 0; end -= unit) {
            int ones = isBig ? end - 1 : end - unit;
            boolean isLineEnd = text[ones] == '\n';
            for (int i = end - unit; i < end && isLineEnd; i++) {
                isLineEnd = i == ones || text[i] == 0;
            }
            if (isLineEnd) {
                return end;
            }
        }
        return 0;
    }

    /** Returns a text in which a block of NUL, as a crash leaves it, is a single one. */
    public static byte[] withoutNulBlocks(byte[] text) {
        byte[] kept = new byte[text.length];
        int length = 0;
        for (byte each : text) {
            if (each != 0 || length == 0 || kept[length - 1] != 0) {
                kept[length++] = each;
            }
        }
        return Arrays.copyOf(kept, length);
    }
}
