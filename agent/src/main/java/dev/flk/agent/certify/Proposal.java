// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import de.siegmar.fastcsv.reader.CsvRecord;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.CsvTimes.NotATime;
import dev.flk.agent.certify.NumberColumn.NotANumber;
import java.io.IOException;
import java.io.InputStream;
import java.time.ZoneOffset;
import java.util.ArrayList;
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
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A proposal of the options that a CSV lacks, by the content of its first rows: the columns of times, values and
 * sensors, and the format or unit of the times. What has several candidates remains open. A proposal is shown to users
 * and never applied without them.
 */
public final class Proposal {
    private static final int MOST_ROWS = 1_000;
    private static final int MOST_UNIT_ROWS = 3;
    /** The part of the cells of a column of values that are numbers; others may be the texts of missing values. */
    private static final double LEAST_NUMBERS = 0.8;

    private static final double LEAST_TIME = 1e8;
    private static final Pattern TIME_NAME = Pattern.compile("(?i)t|ts|when|zeit|.*(time|date|datum|zeit).*");
    private static final Pattern DATE = Pattern.compile(
            "(?<first>\\d{1,4})(?<mark>[./-])(?<second>\\d{1,2}|[A-Za-z]{3})\\k<mark>(?<third>\\d{1,4})");
    private static final Pattern TIME_OF_DAY = Pattern.compile(
            "\\d{1,2}:\\d{2}(?<seconds>:\\d{2}(?:(?<point>[.,])(?<digits>\\d{1,9}))?)?(?:(?<half> ?)[AaPp][Mm])?");
    private static final Pattern TIME = Pattern.compile(DATE + "(?:(?<between> |T|, )(?<time>" + TIME_OF_DAY + "))?");

    private final CsvOptions options;
    private final List<String> header = new ArrayList<>();
    private final List<List<String>> rows = new ArrayList<>();
    private final Map<String, List<String>> open = new LinkedHashMap<>();
    private char delimiter;

    private Proposal(CsvOptions options) {
        this.options = options;
    }

    /**
     * Completes options by the first rows of a file. The caller closes the stream. Returns, by option, the values that
     * remain possible, such as {@code dd/MM/yyyy} and {@code MM/dd/yyyy} of {@code --time-format}. Returns nothing if
     * no row can be read.
     *
     * @param isRead whether the options suffice, so that they are not changed
     */
    public static Map<String, List<String>> complete(InputStream csv, CsvOptions options, boolean isRead)
            throws IOException {
        Proposal proposal = new Proposal(options);
        try {
            proposal.read(csv, isRead);
        } catch (MalformedCsv e) {
            // the rows before the mistake suffice
        }
        if (!proposal.rows.isEmpty()) {
            proposal.complete(isRead);
        }
        return proposal.open;
    }

    private void read(InputStream csv, boolean isRead) throws IOException, MalformedCsv {
        CsvFormat format = options.format();
        CsvCells cells = new CsvCells(csv, format, false);
        delimiter = cells.dialect().delimiter();
        CsvRecord first = cells.next();
        if (first == null) {
            return;
        }
        List<String> names = first.getFields().stream().map(String::strip).toList();
        options.hasNoHeader |= !isRead
                && (names.stream().anyMatch(this::isTextTime)
                        || names.stream().allMatch(each -> RowParser.mayBeData(each, format, delimiter)));
        if (options.hasNoHeader) {
            rows.add(names);
            IntStream.rangeClosed(1, names.size()).mapToObj(Integer::toString).forEach(header::add);
        } else {
            header.addAll(names);
        }
        for (int i = 0; i < options.rowsAfterHeader; i++) {
            cells.next();
        }
        for (CsvRecord next = cells.next(); next != null && rows.size() < MOST_ROWS; next = cells.next()) {
            List<String> row = next.getFields().stream().map(String::strip).toList();
            if (row.size() >= header.size()) {
                rows.add(row);
            }
        }
    }

    private void complete(boolean isRead) {
        if (!isRead) {
            skipUnits();
        }
        List<Integer> times = times();
        List<Integer> others = IntStream.range(0, header.size())
                .filter(column -> !times.contains(column))
                .boxed()
                .toList();
        open.put(
                "--shard-column",
                options.shardColumn == null
                        ? names(others.stream().filter(this::isRepeatedText).toList())
                        : List.of());
        if (times.isEmpty() && options.time == null && header.size() > 1) {
            open.put("--time", header);
        }
        if (times.isEmpty() || isRead) {
            return;
        }
        options.time = String.join(",", names(times));
        List<String> texts =
                rows.stream().map(row -> String.join(" ", cells(row, times))).toList();
        double[] seconds = texts.stream().mapToDouble(meaning(texts)).toArray();
        if (options.shardColumn == null && !isIncreasing(seconds)) {
            options.shardColumn = others.stream()
                    .filter(column -> isRepeated(column) && Sensors.areNames(texts(column), seconds))
                    .findFirst()
                    .map(header::get)
                    .orElse(null);
        }
        if (options.shardColumn != null) {
            open.put("--shard-column", List.of());
        }
        if (options.values.isEmpty()) {
            List<String> numeric = names(others.stream()
                    .filter(column -> !header.get(column).equals(options.shardColumn))
                    .filter(this::isNumeric)
                    .toList());
            options.values = numeric.stream().limit(CsvColumns.MOST_VALUES).toList();
            open.put("--value", numeric.stream().skip(CsvColumns.MOST_VALUES).toList());
        }
    }

    private List<String> texts(int column) {
        return rows.stream().map(row -> row.get(column)).toList();
    }

    private static List<String> cells(List<String> row, List<Integer> columns) {
        return columns.stream().map(row::get).toList();
    }

    private List<String> names(List<Integer> columns) {
        return cells(header, columns);
    }

    /** Leaves out the rows with units below the header. */
    private void skipUnits() {
        while (!options.hasNoHeader
                && options.rowsAfterHeader < MOST_UNIT_ROWS
                && rows.size() > 1
                && rows.get(0).stream().noneMatch(cell -> NumberColumn.isNumber(cell) || isTextTime(cell))
                && rows.get(1).stream().anyMatch(NumberColumn::isNumber)) {
            rows.remove(0);
            options.rowsAfterHeader++;
        }
    }

    private List<Integer> times() {
        if (options.time != null) {
            Stream<String> names =
                    header.contains(options.time) ? Stream.of(options.time) : Stream.of(options.time.split(",", -1));
            List<Integer> times =
                    names.map(name -> header.indexOf(name.strip())).toList();
            return times.contains(-1) ? List.of() : times;
        }
        Optional<Integer> day = first(column -> DATE.matcher(cell(column)).matches());
        Optional<Integer> hour =
                first(column -> TIME_OF_DAY.matcher(cell(column)).matches());
        if (day.isPresent() && hour.isPresent()) {
            return List.of(day.get(), hour.get());
        }
        return first(column -> isTextTime(cell(column)))
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

    private boolean isTextTime(String cell) {
        return TIME.matcher(cell).matches() || reads(TimeFormat.ISO, List.of(cell));
    }

    /** Settles the format or unit of times if there is one candidate, and returns how times are compared. */
    private ToDoubleFunction<String> meaning(List<String> texts) {
        if (texts.stream().allMatch(NumberColumn::isNumber)) {
            if (options.timeUnit == null && options.timeFormat == null && !isPlausible(texts.get(0))) {
                choose(
                        "--time-unit",
                        UnitCheck.candidates(texts.get(0))
                                .map(TimeUnit::wireName)
                                .toList());
            }
            return Proposal::number;
        }
        TimeFormat format = options.timeFormat == null
                ? TimeFormat.ISO
                : options.format().timeFormat().orElseThrow();
        if (options.timeFormat == null && !reads(TimeFormat.ISO, texts)) {
            List<String> candidates = patterns(texts);
            choose("--time-format", candidates);
            format = candidates.isEmpty() ? format : TimeFormat.of(candidates.get(0), OptionalInt.empty());
        }
        TimeFormat used = format;
        return text -> seconds(used, text);
    }

    private void choose(String option, List<String> candidates) {
        if (candidates.size() != 1) {
            open.put(option, candidates);
        } else if (option.equals("--time-unit")) {
            options.timeUnit = candidates.get(0);
        } else {
            options.timeFormat = candidates.get(0);
        }
    }

    private boolean isPlausible(String text) {
        try {
            new CsvTimes(
                            CsvFormat.USUAL,
                            new NumberColumn(CsvFormat.USUAL, delimiter, true),
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
        return new HashSet<>(texts(column)).size() < rows.size() || !isNumeric(column);
    }

    private boolean isRepeatedText(int column) {
        Set<String> texts = new HashSet<>(texts(column));
        return !isNumeric(column) && !texts.contains("") && texts.size() > 1 && 2 * texts.size() <= rows.size();
    }

    private boolean isNumeric(int column) {
        List<String> texts =
                texts(column).stream().filter(text -> !text.isEmpty()).toList();
        return !texts.isEmpty()
                && texts.stream().filter(NumberColumn::mayBeNumber).count() >= LEAST_NUMBERS * texts.size();
    }
}
