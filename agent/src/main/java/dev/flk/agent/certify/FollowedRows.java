// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.Windows.Cutter;
import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.agent.csv.RowOrder.Measured;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a CSV that grows and is rotated, divided into windows. The files are read one after the other; their rows
 * form one sequence, so a window may begin in one file and end in the next. Certifies each window as soon as it is
 * complete, and never the last, incomplete one, whose rows stay with the next ones. If a column names shards, each has
 * windows of its own. Not safe for several threads.
 *
 * <p>No row waits for a later one. The first row settles how all rows are written; a first row that leaves anything
 * open is refused. After that, a line that is not a measurement is left out, with a notice, and so are local times that
 * occur twice and rows after a clock was set back, until the times reach the last one again.
 */
public final class FollowedRows {
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
    /** Whether no two rows had one time yet, so that the first such rows show whether there are several sensors. */
    private boolean mayShowSensors = true;

    private boolean hasTimes = true;
    /** The number of rows of all files that were added to windows. */
    private long rows;

    private double lastTime = Double.NEGATIVE_INFINITY;
    /** The place after the row that was read last. */
    private Place here = new Place(-1, 0, Double.NEGATIVE_INFINITY, 0);

    private @Nullable Measured lastAdded;
    /** The number of lines of the next file that are done. */
    private long doneLines;
    /** The number of lines of the file that is read that were done before. */
    private long skippedLines;

    /** A line that was read but whose notice could not be given yet; null if no notice is pending. */
    private @Nullable LeftOut unnoticed;

    private @Nullable File current;
    /** The reader of the current file; null until its heading is complete. */
    private @Nullable CsvRows source;

    /**
     * A place between two lines.
     *
     * @param file the number of files that were read in this run before the one of the place
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
        /** The time of the last certified row. */
        private double certifiedTime;
        /** The numbers of the certified rows with this time, among the rows of all shards, from 1. */
        private List<Long> certified = new ArrayList<>();
        /** The number of certified rows with this time that are read again. */
        private long ahead;
        /** The time of the last row, the numbers of the rows with this time, and of those with the time before. */
        private double lastTime;

        private List<Long> last = new ArrayList<>();
        private List<Long> previous = new ArrayList<>();
        /** The place before the first row of the open window. */
        private Place start = here;

        Shard(ShardProgress before) {
            id = before.shard();
            windows = before.windows();
            certifiedTime = before.time();
            lastTime = before.time();
            ahead = before.ahead();
            cutter = FollowedRows.this.windows.after(windows).cutter(this::certify, true);
        }

        private void certify(Window window) {
            windows++;
            certifiedTime = window.rows().get(window.rows().size() - 1).timestampSeconds();
            certified = new ArrayList<>(certifiedTime == lastTime ? last : previous);
            each.accept(certifier.next(window));
        }

        /** Notes the row that is added next. */
        void note(double time) {
            if (time != lastTime) {
                List<Long> before = previous;
                previous = last;
                last = before;
                last.clear();
            }
            lastTime = time;
            last.add(rows + 1);
        }

        /** Returns whether a certified row is read again, which is then done. */
        boolean isCertified(Measured row) {
            if (ahead > 0 && row.seconds() == certifiedTime) {
                ahead--;
                certified.add(rows + 1);
                return true;
            }
            ahead = row.seconds() < certifiedTime ? ahead : 0;
            return ahead > 0;
        }

        ShardProgress progress(Place from) {
            return new ShardProgress(
                    id,
                    windows,
                    certifiedTime,
                    ahead + certified.stream().filter(row -> row > from.rows()).count());
        }
    }

    /** An action after a row was added to a window. */
    @FunctionalInterface
    public interface RowListener {
        /** Returns whether to read more rows in this turn. */
        boolean added() throws IOException;
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
     * @param file the number of files that were read in this run before the one with this row
     * @param rows the number of rows before it
     * @param time the latest of their times; negative infinity without one
     * @param lines the number of lines at the beginning of the file that are done
     * @param settled the delimiter and, if it is settled, the decimal separator
     */
    public record Progress(long file, long rows, double time, long lines, String settled, List<ShardProgress> shards) {
        /** Returns the progress at the beginning of the same file, in which no row is certified. */
        public Progress beginning() {
            return new Progress(file, 0, Double.NEGATIVE_INFINITY, 0, settled, List.of());
        }
    }

    /**
     * The certified rows of a shard.
     *
     * @param shard the text of the column that names the shard; empty without such a column
     * @param windows the number of its certified windows
     * @param time the time of its last certified row; negative infinity without one
     * @param ahead the number of certified rows with this time that are after the first row of {@link Progress} that
     *     is not certified; 0 if none are
     */
    public record ShardProgress(String shard, long windows, double time, long ahead) {}

    /**
     * A stream of one file. It passes on complete lines only, and throws {@link NoMoreYet} after them.
     */
    public abstract static class File extends InputStream {
        /** Makes the next reads return all bytes since the first one again. */
        @Override
        public abstract void reset();

        /** Declares that {@link #reset} is not called again, and how many lines are before the first row. */
        public abstract void begun(long headingLines);

        /** Declares that a later line names the columns again, in another order. */
        public abstract void headed(byte[] line);

        /** Returns the number of first lines that are not read, because a line may continue in this file. */
        public abstract long cutLines();

        /** Returns why rows may be earlier than those of the file before. */
        public abstract String whyEarlier();

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
        doneLines = isSameFile ? progress.lines() : 0;
        String settled = progress.settled();
        format = format.settled(
                settled.charAt(0),
                settled.chars().skip(1).mapToObj(mark -> (char) mark).findFirst());
        isStarted = true;
        mayShowSensors = windows() == 0;
    }

    /**
     * Reads the lines that a file has, until the turn is over. Call this again with the same file while it may have
     * more.
     *
     * @param after an action after each row that is added to a window
     * @throws MalformedCsv if the file has no such columns, or does not settle how its rows are written; the message
     *     names the line and the option. Windows that were complete before that line are certified
     */
    public void read(File csv, RowListener after) throws IOException, MalformedCsv {
        if (!csv.equals(current)) {
            current = csv;
            source = null;
            here = new Place(here.file() + 1, rows, lastTime, csv.cutLines());
            doneLines = Math.max(doneLines, csv.cutLines());
        }
        try {
            CsvRows begun = source == null ? begin(csv) : source;
            source = begun;
            giveNotice(csv);
            boolean hasMore = true;
            while (hasMore) {
                hasMore = readRow(csv, begun, after);
            }
        } catch (NoMoreYet e) {
            // the caller looks at the file again
        } catch (MalformedCsv e) {
            throw csv.otherName().isEmpty()
                    ? e
                    : new MalformedCsv(csv.otherName().get() + ": " + e.getMessage());
        }
    }

    /** Leaves out the last line of the current file, which is complete but ends within this line. */
    public void leaveOutRest(File csv, String why, String text) throws IOException {
        giveNotice(csv);
        long line = source == null ? 1 : source.line() + 1;
        unnoticed = new LeftOut(line, "line " + line + ": " + why, text);
        giveNotice(csv);
    }

    /** Reads the names of the columns. */
    private CsvRows begin(File csv) throws IOException, MalformedCsv {
        csv.reset();
        CsvRows begun = new CsvRows(csv, columns, format, true, isStarted);
        csv.begun(begun.headingLines());
        hasTimes = begun.hasTimes();
        begun.skipTo(doneLines);
        skippedLines = doneLines;
        doneLines = 0;
        return begun;
    }

    /** Reads a line. Returns whether to read more. */
    private boolean readRow(File csv, CsvRows source, RowListener after) throws IOException, MalformedCsv {
        try {
            Measured read = source.read();
            source.takeNewHeader()
                    .map(line -> (line + "\n").getBytes(format.encoding().orElse(StandardCharsets.UTF_8)))
                    .ifPresent(csv::headed);
            if (read == null) {
                return false;
            }
            Measured row = source.settled(read);
            Shard shard = shard(row, source);
            if (shard.isCertified(row)) {
                count(row.seconds(), row.line());
                return after.added();
            }
            Optional<String> objection = objection(csv, row, shard, source);
            if (objection.isPresent()) {
                leaveOut(csv, new LeftOut(row.line(), source.about(row, objection.get()), source.written()));
                return true;
            }
            add(row.row(), row.line(), shard, source);
            lastAdded = row;
        } catch (MalformedCsv e) {
            if (!isStarted || e.isOptionMissing) {
                throw e;
            }
            if (source.line() > skippedLines) { // the notice about an earlier line was given before
                leaveOut(csv, new LeftOut(source.line(), String.valueOf(e.getMessage()), source.written()));
            }
            return true;
        }
        return after.added();
    }

    /** Returns why the time of a row is not certified; empty if it is. */
    private Optional<String> objection(File csv, Measured row, Shard shard, CsvRows source) throws MalformedCsv {
        if (!hasTimes) {
            return Optional.empty();
        }
        if (row.twice().isPresent()) {
            return row.twice().map(readings -> readings + "; write the offset after such times");
        }
        if (lastAdded != null && mayShowSensors && row.seconds() == shard.lastTime) {
            mayShowSensors = false;
            Optional<String> sensors = source.sensorsAtOneTime(lastAdded, row);
            if (sensors.isPresent()) {
                throw new MalformedCsv(source.about(row, "is the time of the last row, too: " + sensors.get()), true);
            }
        }
        return row.seconds() < shard.lastTime
                ? Optional.of("is earlier than the last row; " + csv.whyEarlier())
                : Optional.empty();
    }

    private void leaveOut(File csv, LeftOut line) throws IOException {
        unnoticed = line;
        giveNotice(csv);
    }

    private void giveNotice(File csv) throws IOException {
        if (unnoticed != null) {
            notices.leftOut(csv, unnoticed.line(), unnoticed.why(), unnoticed.text());
        }
        unnoticed = null;
    }

    private Shard shard(Measured row, CsvRows source) throws MalformedCsv {
        Shard known = shards.get(row.shard());
        if (known != null) {
            return known;
        }
        source.checkNewShard(row, shards.size());
        return new Shard(new ShardProgress(row.shard(), 0, Double.NEGATIVE_INFINITY, 0));
    }

    private void count(double time, long line) {
        rows++;
        lastTime = Math.max(lastTime, time);
        here = new Place(here.file(), rows, lastTime, line);
    }

    private void add(Row read, long line, Shard shard, CsvRows source) throws MalformedCsv {
        Row row = hasTimes // otherwise, the rows of all files are numbered
                ? read
                : new Row((double) rows + 1, read.values(), read.x(), read.y(), read.z());
        Place before = new Place(here.file(), rows, lastTime, line - 1);
        shards.put(shard.id, shard);
        shard.note(row.timestampSeconds());
        shard.cutter.add(row, source);
        shard.start = shard.cutter.openRows() == 1 ? before : shard.start;
        count(row.timestampSeconds(), line);
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

    /** Returns the number of files that were read in this run before the one that was read last. */
    public long file() {
        return here.file();
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
                shards.values().stream().map(shard -> shard.progress(place)).toList());
    }

    /**
     * Determines whether a file begins with a row, to which the heading of the file before applies: the lines before
     * its first row. A writer that continues after its file was truncated writes no heading again.
     *
     * @param heading the heading of the file before
     * @param file the first bytes of the file
     * @return empty if more bytes are needed to decide
     */
    public Optional<Boolean> lacksHeading(byte[] heading, byte[] file) throws IOException {
        int complete = lastLineEnd(file);
        if (heading.length > 0 && startsWith(file, heading)) {
            return Optional.of(false);
        }
        if (complete == 0 || startsWith(heading, file)) {
            return Optional.empty();
        }
        return Optional.of(heading.length > 0
                && (file[0] == 0 // after a block of NUL
                        || isReadable(joined(heading, Arrays.copyOf(file, complete)))));
    }

    /** Returns whether the first line after a heading is a row. */
    private boolean isReadable(byte[] text) throws IOException {
        return first(text).isPresent();
    }

    /**
     * Returns the time of the first row of a file.
     *
     * @param heading the heading of the file before, which applies if the file has none
     * @param file the first bytes of the file
     * @return infinity if there is no such row, or if rows have no times
     */
    public double firstTime(byte[] heading, byte[] file) throws IOException {
        byte[] complete = Arrays.copyOf(file, lastLineEnd(file));
        boolean lacksHeading = lacksHeading(heading, file).orElse(false);
        return hasTimes
                ? first(lacksHeading ? joined(heading, complete) : complete)
                        .map(Measured::seconds)
                        .orElse(Double.POSITIVE_INFINITY)
                : Double.POSITIVE_INFINITY;
    }

    private Optional<Measured> first(byte[] text) throws IOException {
        try {
            return Optional.ofNullable(
                    new CsvRows(new ByteArrayInputStream(text), columns, format, true, isStarted).read());
        } catch (MalformedCsv e) {
            return Optional.empty();
        }
    }

    /** Returns the concatenation of these texts. */
    public static byte[] joined(byte[]... texts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] text : texts) {
            all.writeBytes(text);
        }
        return all.toByteArray();
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
    public static int lineEnd(byte[] text, int from) {
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
}
