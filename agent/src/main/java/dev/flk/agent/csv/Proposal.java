// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvTimes.NotATime;
import dev.flk.agent.csv.NumberColumn.NotANumber;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.time.ZoneOffset;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A proposal of the options that a CSV lacks, by the content of its first and last lines: the lines around the table,
 * the columns of times, values and sensors, and the format or unit of the times. What has several candidates remains
 * open. A proposal is shown to users and never applied without them.
 */
public final class Proposal {
    private static final int FIRST_CHARS = 1 << 18;
    private static final int LAST_CHARS = 1 << 13;
    private static final int MOST_MISSING = 5;
    /** The part of the cells of a column of values that are numbers; others may be the texts of missing values. */
    private static final double LEAST_NUMBERS = 0.8;

    private static final double LEAST_TIME = 1e8;
    /** The names of columns that count rows, or name states or devices. */
    private static final Pattern LABEL_NAME = Pattern.compile("(?i)(.*[^\\p{L}])?(#|no|nr|id|idx|index|seq|record|row"
            + "|status|state|flag|alarm|error|fault|mode|code|sensor|device|node|channel|station)\\.?");
    /** A number that is a name, such as the serial number of a device. */
    private static final Pattern NAME = Pattern.compile("0\\d+|\\d{12,}");

    private static final Pattern WHOLE = Pattern.compile("[+-]?\\d+");
    private static final Pattern TIME_NAME = Pattern.compile("(?i)t|ts|when|zeit|.*(time|date|datum|zeit).*");
    private static final Pattern DATE = Pattern.compile(
            "(?<first>\\d{1,4})(?<mark>[./-])(?<second>\\d{1,2}|[A-Za-z]{3})\\k<mark>(?<third>\\d{1,4})");
    private static final Pattern TIME_OF_DAY = Pattern.compile(
            "\\d{1,2}:\\d{2}(?<seconds>:\\d{2}(?:(?<point>[.,])(?<digits>\\d{1,9}))?)?(?:(?<half> ?)[AaPp][Mm])?");
    private static final Pattern TIME = Pattern.compile(DATE + "(?:(?<between> |T|, )(?<time>" + TIME_OF_DAY + "))?");

    private final CsvOptions options;
    private final CsvTable table;
    private final List<String> header;
    private final List<List<String>> rows;
    private final Map<String, List<String>> open = new LinkedHashMap<>();

    private Proposal(CsvOptions options, CsvTable table) {
        this.options = options;
        this.table = table;
        rows = table.rows();
        header = rows.isEmpty() ? List.of() : table.header();
    }

    /** A file that can be opened several times. */
    public interface Csv {
        /** Opens the file. */
        InputStream open() throws IOException;
    }

    /** Returns the proposal for a file. Sets the encoding if the text is not UTF-8 and the options give none. */
    public static Proposal of(Csv csv, CsvOptions options) throws IOException, MalformedCsv {
        String text = text(csv, options);
        Optional<String> wide = CsvDialect.wideEncoding(text.lines().findFirst().orElse(""));
        if (options.encoding == null && (wide.isPresent() || text.indexOf('\uFFFD') >= 0)) {
            options.encoding = wide.orElse("windows-1252");
            text = text(csv, options);
        }
        return new Proposal(options, CsvTable.find(text, options));
    }

    /** Returns the first and the last lines of a file. */
    private static String text(Csv csv, CsvOptions options) throws IOException, MalformedCsv {
        StringBuilder first = new StringBuilder();
        StringBuilder last = new StringBuilder();
        try (Reader text = options.format().text(csv.open(), false)) {
            char[] part = new char[LAST_CHARS];
            for (int read = text.read(part); read >= 0; read = text.read(part)) {
                (first.length() < FIRST_CHARS ? first : last).append(part, 0, read);
                last.delete(0, Math.max(0, last.length() - LAST_CHARS));
            }
        }
        return last.isEmpty()
                ? first.toString()
                : first.toString().replaceFirst("[^\r\n]*$", "")
                        + last.toString().replaceFirst("[^\r\n]*", "");
    }

    /**
     * Returns, by option, the values that are possible besides the proposed ones, such as columns for {@code --value}.
     */
    public Map<String, List<String>> open() {
        if (options.shardColumn == null) {
            List<Integer> times = times();
            open.put(
                    "--shard-column",
                    names(columns(column -> !times.contains(column) && isName(column) && isRepeated(column))));
        }
        return open;
    }

    /** Completes the options. Returns false, and changes nothing, if the file seems to contain no table. */
    public boolean complete() {
        if (rows.isEmpty()) {
            return false;
        }
        table.settle(options);
        List<Integer> times = times();
        List<Integer> measured = columns(column -> !times.contains(column) && isMeasured(column));
        if (times.isEmpty() && options.time == null && header.size() > 1) {
            open.put("--time", header);
        }
        if (!times.isEmpty()) {
            options.time = String.join(",", names(times));
            List<String> texts = rows.stream()
                    .map(row -> String.join(" ", cells(row, times)))
                    .toList();
            double[] seconds = texts.stream().mapToDouble(meaning(texts)).toArray();
            if (options.shardColumn == null
                    && options.only.isEmpty()
                    && !measured.isEmpty()
                    && !isIncreasing(seconds)) {
                options.shardColumn = first(column ->
                                !times.contains(column) && isLabel(column) && Sensors.areNames(texts(column), seconds))
                        .map(column -> names(List.of(column)).get(0))
                        .orElse(null);
            }
        }
        if (options.values.isEmpty()) {
            List<String> names = names(measured).stream()
                    .filter(name -> !name.equals(options.shardColumn))
                    .toList();
            options.values = names.stream().limit(CsvColumns.MOST_VALUES).toList();
            open.put("--value", names.stream().skip(CsvColumns.MOST_VALUES).toList());
        }
        if (options.missing.isEmpty()) {
            options.missing = columns(column -> indexes(options.values).contains(column)).stream()
                    .flatMap(column -> texts(column).stream())
                    .filter(text -> !text.isEmpty() && !text.matches(".*[\\d,].*"))
                    .distinct()
                    .limit(MOST_MISSING)
                    .toList();
        }
        return true;
    }

    /** Removes from the options the first one of several formats or units of the times, and returns what to choose. */
    public List<String> leaveOpen() {
        List<String> choices = List.of("--time-format", "--time-unit").stream()
                .filter(open::containsKey)
                .map(option -> "line " + table.firstLine() + ": column "
                        + names(times()).stream().map(CsvCells::shown).collect(Collectors.joining(" and ")) + ": "
                        + CsvCells.shown(String.join(" ", cells(rows.get(0), times()))) + " may be "
                        + String.join(" or ", open.get(option))
                        + "; choose the " + option)
                .toList();
        options.timeFormat = open.containsKey("--time-format") ? null : options.timeFormat;
        options.timeUnit = open.containsKey("--time-unit") ? null : options.timeUnit;
        return choices;
    }

    private List<Integer> columns(IntPredicate isWanted) {
        return IntStream.range(0, header.size()).filter(isWanted).boxed().toList();
    }

    private List<String> texts(int column) {
        return rows.stream().map(row -> row.get(column)).toList();
    }

    private static List<String> cells(List<String> row, List<Integer> columns) {
        return columns.stream().map(row::get).toList();
    }

    private List<String> names(List<Integer> columns) {
        return CsvColumns.names(header, columns).toList();
    }

    private List<Integer> indexes(List<String> names) {
        return names.stream()
                .map(name -> CsvColumns.indexOf(header, name.strip()))
                .toList();
    }

    private List<Integer> times() {
        if (options.time != null) {
            List<Integer> times = indexes(
                    header.contains(options.time) ? List.of(options.time) : List.of(options.time.split(",", -1)));
            return times.contains(-1) ? List.of() : times;
        }
        Optional<Integer> day = first(column -> DATE.matcher(cell(column)).matches());
        Optional<Integer> hour =
                first(column -> TIME_OF_DAY.matcher(cell(column)).matches());
        if (day.isPresent() && hour.isPresent()) {
            return List.of(day.get(), hour.get());
        }
        return first(column -> isTime(cell(column)))
                .or(() -> first(this::isNumericTime))
                .map(List::of)
                .orElse(List.of());
    }

    private Optional<Integer> first(IntPredicate isWanted) {
        return IntStream.range(0, header.size()).filter(isWanted).boxed().findFirst();
    }

    private String cell(int column) {
        return rows.get(0).get(column);
    }

    private boolean isNumericTime(int column) {
        List<String> texts = texts(column);
        return texts.stream().allMatch(NumberColumn::isNumber)
                && isSorted(texts)
                && (TIME_NAME.matcher(header.get(column)).matches() || number(texts.get(0)) >= LEAST_TIME);
    }

    private static boolean isSorted(List<String> texts) {
        return IntStream.range(1, texts.size()).allMatch(i -> number(texts.get(i)) >= number(texts.get(i - 1)));
    }

    private static double number(String text) {
        return Double.parseDouble(text.replace(',', '.'));
    }

    static boolean isTime(String cell) {
        return TIME.matcher(cell).matches() || reads(TimeFormat.ISO, List.of(cell));
    }

    /** Settles the format or unit of times, by the first candidate, and returns how times are compared. */
    private ToDoubleFunction<String> meaning(List<String> texts) {
        if (texts.stream().allMatch(NumberColumn::isNumber)) {
            if (options.timeUnit == null && options.timeFormat == null && !isPlausible(texts.get(0))) {
                options.timeUnit = first(
                        "--time-unit",
                        UnitCheck.candidates(texts.get(0))
                                .map(TimeUnit::wireName)
                                .toList());
            }
            return Proposal::number;
        }
        if (options.timeFormat == null && !reads(TimeFormat.ISO, texts)) {
            options.timeFormat = first("--time-format", patterns(texts));
        }
        TimeFormat format = options.format().timeFormat().orElse(TimeFormat.ISO);
        return text -> seconds(format, text);
    }

    private @Nullable String first(String option, List<String> candidates) {
        if (candidates.size() > 1) {
            open.put(option, candidates);
        }
        return candidates.isEmpty() ? null : candidates.get(0);
    }

    private boolean isPlausible(String text) {
        try {
            new CsvTimes(
                            CsvFormat.USUAL,
                            new NumberColumn(CsvFormat.USUAL, table.delimiter(), true),
                            String.valueOf(options.time),
                            false)
                    .read(text, 1);
            return true;
        } catch (NotATime | NotANumber e) {
            return false;
        }
    }

    private static double seconds(TimeFormat format, String text) {
        try {
            return format.read(text)
                    .map(written -> CsvTimes.seconds(written.local()
                            .atZone(written.zone().orElse(ZoneOffset.UTC))
                            .toInstant()))
                    .orElse(Double.NaN);
        } catch (NotATime e) {
            return Double.NaN;
        }
    }

    private static boolean reads(TimeFormat format, List<String> texts) {
        return texts.stream().noneMatch(text -> Double.isNaN(seconds(format, text)));
    }

    /** Returns the patterns that read all texts. */
    private static List<String> patterns(List<String> texts) {
        Matcher time = TIME.matcher(texts.get(0));
        if (!time.matches()) {
            return List.of();
        }
        String month = time.group("second").matches("\\d+") ? "M" : "MMM";
        boolean isYearFirst = time.group("first").length() == 4;
        String year = "y".repeat(time.group(isYearFirst ? "first" : "third").length());
        Set<String> found = new LinkedHashSet<>();
        for (List<String> order : isYearFirst
                ? List.of(List.of(year, month, "d"))
                : List.of(List.of("d", month, year), List.of(month, "d", year))) {
            String pattern = String.join(time.group("mark"), order) + timeOfDay(time);
            Stream.of(pattern.replaceAll("\\bM\\b", "MM").replaceAll("\\b([dHh])\\b", "$1$1"), pattern)
                    .filter(each -> reads(TimeFormat.of(each, OptionalInt.empty()), texts))
                    .findFirst()
                    .ifPresent(found::add);
        }
        return List.copyOf(found);
    }

    private static String timeOfDay(Matcher time) {
        if (time.group("time") == null) {
            return "";
        }
        String half = time.group("half");
        return time.group("between").replace("T", "'T'")
                + (half == null ? "H" : "h")
                + ":mm"
                + (time.group("seconds") == null ? "" : ":ss")
                + (time.group("point") == null
                        ? ""
                        : time.group("point") + "S".repeat(time.group("digits").length()))
                + (half == null ? "" : half + "a");
    }

    private static boolean isIncreasing(double[] seconds) {
        return IntStream.range(1, seconds.length).allMatch(i -> seconds[i] > seconds[i - 1]);
    }

    private boolean isRepeated(int column) {
        Set<String> texts = new HashSet<>(texts(column));
        return !texts.contains("") && texts.size() > 1 && 2 * texts.size() <= rows.size();
    }

    private List<String> numbers(int column) {
        return texts(column).stream().filter(NumberColumn::mayBeNumber).toList();
    }

    /** Returns whether a column has names: texts, or numbers that are written like names. */
    private boolean isName(int column) {
        List<String> numbers = numbers(column);
        long texts = texts(column).stream().filter(text -> !text.isEmpty()).count();
        return numbers.size() < LEAST_NUMBERS * texts
                || numbers.stream().anyMatch(text -> NAME.matcher(text).matches());
    }

    /** Returns whether a column names or counts something. */
    private boolean isLabel(int column) {
        return isName(column) || LABEL_NAME.matcher(header.get(column)).matches();
    }

    /** Returns whether a column has numbers that are no labels, and neither constant nor a flag nor a running number. */
    private boolean isMeasured(int column) {
        List<String> numbers = numbers(column);
        int different = new HashSet<>(numbers).size();
        boolean isRunning = numbers.size() > 2
                && numbers.stream().allMatch(text -> WHOLE.matcher(text).matches())
                && isSorted(numbers);
        return different > 0 && !isLabel(column) && !isRunning && (different > 2 || different == numbers.size());
    }
}
