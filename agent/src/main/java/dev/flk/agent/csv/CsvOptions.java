// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvFormat.Filter;
import dev.flk.agent.csv.CsvFormat.Notation;
import dev.flk.agent.csv.CsvRows.Columns;
import java.nio.charset.Charset;
import java.time.DateTimeException;
import java.time.ZoneId;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * The options that say how a CSV is written, as the command line or a file of sources gives them. Each option is
 * declared and checked here only. An invalid option is an {@link IllegalArgumentException} whose message names the option
 * as on the command line and says what to do.
 */
public final class CsvOptions {
    @Option(
            names = "--time",
            paramLabel = "COLUMN",
            description = "The column of the times (default: timestamp), or a date column and a time column, separated"
                    + " by a comma.")
    public @Nullable String time;

    @Option(
            names = "--value",
            paramLabel = "COLUMN",
            description = "One to three columns of values, separated by commas (default: x,y,z).")
    public List<String> values = List.of();

    @Option(names = "--no-header", description = "The first line is data; columns have numbers, from 1.")
    public boolean hasNoHeader;

    @Option(names = "--skip-lines", paramLabel = "N", description = "Skip the first lines of the file.")
    public int skippedLines;

    @Option(
            names = "--skip-last-lines",
            paramLabel = "N",
            description = "Skip the last lines of the file that are not blank.")
    public int skippedLastLines;

    @Option(names = "--comment", paramLabel = "CHAR", description = "Skip lines that begin with it, such as #.")
    public @Nullable String comment;

    @Option(
            names = "--only",
            paramLabel = "COLUMN=TEXT",
            description = "Leave out rows whose cell in this column has another text.")
    public List<String> only = List.of();

    @Option(
            names = "--skip-rows-after-header",
            paramLabel = "N",
            description = "Skip rows between the header and the first measurement, such as units.")
    public int rowsAfterHeader;

    @Option(
            names = "--delimiter",
            paramLabel = "CHAR",
            description = "The character between cells, if it can't be guessed; tab is the name of a tab.")
    public @Nullable String delimiter;

    @Option(
            names = "--time-unit",
            paramLabel = "UNIT",
            description = "The unit of numeric times: s, ms, us, ns, min, h, d (since 1970), excel, matlab, julian,"
                    + " labview, filetime, dotnet (default: s or ms, by size).")
    public @Nullable String timeUnit;

    @Option(
            names = "--time-format",
            paramLabel = "PATTERN",
            description = "How times are written, such as 'd/M/yyyy HH:mm'.")
    public @Nullable String timeFormat;

    @Option(
            names = "--years-from",
            paramLabel = "YEAR",
            description = "The first of the 100 years that yy in --time-format means (default: 2000, and years from"
                    + " 2038 on are errors).")
    public @Nullable Integer yearsFrom;

    @Option(
            names = "--time-zone",
            paramLabel = "ZONE",
            description = "The zone of times without one, such as Europe/Berlin (default: UTC).")
    public @Nullable String timeZone;

    @Option(
            names = "--missing",
            paramLabel = "TEXT",
            description = "Texts that mean an empty cell, such as NaN,-. A number means each cell with its value.")
    public List<String> missing = List.of();

    @Option(names = "--decimal", paramLabel = "CHAR", description = "The decimal separator, if it can't be guessed.")
    public @Nullable String decimal;

    @Option(
            names = "--grouping",
            paramLabel = "CHAR",
            description = "The character that groups digits of values in thousands: a point, a comma, ' or a blank.")
    public @Nullable String grouping;

    @Option(
            names = "--encoding",
            paramLabel = "NAME",
            description = "The encoding of the text, such as windows-1252 (default: UTF-8).")
    public @Nullable String encoding;

    @Option(names = "--sort", description = "Sort the rows by time, in memory; times may then repeat.")
    public boolean isSorted;

    @Option(
            names = "--shard-column",
            paramLabel = "COLUMN",
            description = "The column that names the shard of each row. Each shard has windows of its own.")
    public @Nullable String shardColumn;

    /** Returns the columns to read. */
    public Columns columns() {
        return new Columns(Optional.ofNullable(time), values, Optional.ofNullable(shardColumn));
    }

    /** Returns the format, after a check of all options. */
    public CsvFormat format() {
        if (skippedLines < 0) {
            throw new IllegalArgumentException("--skip-lines: must be at least 0, not " + skippedLines);
        }
        if (decimal != null && !decimal.equals(".") && !decimal.equals(",")) {
            throw new IllegalArgumentException("--decimal: must be a point or a comma, not '" + decimal + "'");
        }
        return new CsvFormat(
                !hasNoHeader,
                skippedLines,
                charset(),
                Optional.ofNullable(decimal).map(each -> each.charAt(0)),
                Set.copyOf(missing),
                timeFormat(),
                zone(),
                isSorted,
                notation(),
                filter());
    }

    private Filter filter() {
        if (skippedLastLines < 0) {
            throw new IllegalArgumentException("--skip-last-lines: must be at least 0, not " + skippedLastLines);
        }
        if (comment != null && (!comment.matches("[^\\w\\s\",;.+-]") || comment.equals(delimiter))) {
            throw new IllegalArgumentException(
                    "--comment: must be one character that is neither a letter, digit or quote, nor part"
                            + " of a number, nor the delimiter, not '" + comment + "'");
        }
        for (String each : only) {
            if (each.indexOf('=') < 1) {
                throw new IllegalArgumentException("--only: write it as COLUMN=TEXT, not '" + each + "'");
            }
        }
        return new Filter(Optional.ofNullable(comment).map(each -> each.charAt(0)), only, skippedLastLines);
    }

    private Notation notation() {
        if (rowsAfterHeader < 0 || (rowsAfterHeader > 0 && hasNoHeader)) {
            throw new IllegalArgumentException(
                    "--skip-rows-after-header: must be at least 0, and a file with --no-header has no such"
                            + " rows; skip its first lines with --skip-lines");
        }
        if (delimiter != null && !delimiter.equals("tab") && !delimiter.matches("[^\\w\"\r\n]")) {
            throw new IllegalArgumentException(
                    "--delimiter: must be one character that is no letter, digit or quote, or tab, not '" + delimiter
                            + "'");
        }
        if (grouping != null && !grouping.matches("[.,' ]")) {
            throw new IllegalArgumentException(
                    "--grouping: must be a point, a comma, an apostrophe or a blank, not '" + grouping + "'");
        }
        if (grouping != null && grouping.equals(decimal)) {
            throw new IllegalArgumentException(
                    "--grouping and --decimal: both are '" + grouping + "'; give two different characters");
        }
        if (timeUnit != null && timeFormat != null) {
            throw new IllegalArgumentException(
                    "--time-unit is for numbers and --time-format for texts; give one of them");
        }
        return new Notation(
                Optional.ofNullable(delimiter).map(each -> each.equals("tab") ? '\t' : each.charAt(0)),
                Optional.ofNullable(grouping).map(each -> each.charAt(0)),
                Optional.ofNullable(timeUnit)
                        .map(name -> TimeUnit.of(name)
                                .orElseThrow(() -> new IllegalArgumentException(
                                        "--time-unit: must be one of " + TimeUnit.names() + ", not '" + name + "'"))),
                rowsAfterHeader);
    }

    private Optional<TimeFormat> timeFormat() {
        if (yearsFrom != null && (yearsFrom < 1000 || yearsFrom > 9900)) {
            throw new IllegalArgumentException(
                    "--years-from: must be a year of four digits up to 9900, not " + yearsFrom);
        }
        if (timeFormat == null) {
            if (yearsFrom != null) {
                throw new IllegalArgumentException(
                        "--years-from is for years of two digits: give a --time-format with yy");
            }
            return Optional.empty();
        }
        try {
            return Optional.of(
                    TimeFormat.of(timeFormat, yearsFrom == null ? OptionalInt.empty() : OptionalInt.of(yearsFrom)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--time-format: '" + timeFormat + "': " + e.getMessage()
                    + "; write it like 'yyyy-MM-dd HH:mm:ss' or 'd/M/yyyy h:mm a'");
        }
    }

    private Optional<ZoneId> zone() {
        if (timeZone == null) {
            return Optional.empty();
        }
        try {
            ZoneId zone = ZoneId.of(timeZone);
            if (!TimeFormat.isDoubtful(zone)) {
                return Optional.of(zone);
            }
        } catch (DateTimeException e) {
            throw new IllegalArgumentException(
                    "--time-zone: '" + timeZone + "' is no zone; write it like Europe/Berlin or +02:00");
        }
        throw new IllegalArgumentException(
                "--time-zone: '" + timeZone + "' may be meant with or without daylight saving time; write a"
                        + " region such as Europe/Berlin or America/New_York, or an offset such as +01:00");
    }

    private Optional<Charset> charset() {
        try {
            return Optional.ofNullable(encoding).map(Charset::forName);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "--encoding: '" + encoding + "' is no encoding; write it like windows-1252 or UTF-16LE", e);
        }
    }
}
