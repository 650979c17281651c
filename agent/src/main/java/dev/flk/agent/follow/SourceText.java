// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import static dev.flk.agent.follow.SourceMessages.quoted;

import dev.flk.agent.certify.CsvOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The text of an entry of a file of sources, for users to complete and to copy. */
public final class SourceText {
    private static final int WIDTH = 76;
    private static final int MOST_CANDIDATES = 3;
    private static final int LONGEST_NAME = 64;
    private static final String MEMBER = "    ";
    private static final String TIME_MEMBER = "      ";

    private final StringBuilder text = new StringBuilder();
    private final Map<String, List<String>> open;

    private SourceText(Map<String, List<String>> open) {
        this.open = open;
    }

    /**
     * Returns a file of sources with one entry.
     *
     * @param shard the shard; null for the name of the source
     * @param open the candidates of options that are not settled, or of others than those that are set
     * @param note a comment; empty for none
     */
    public static String of(
            Path file,
            CsvOptions options,
            boolean isComplete,
            @Nullable String shard,
            Map<String, List<String>> open,
            String note) {
        return new SourceText(open).entry(file.toAbsolutePath().normalize(), options, isComplete, shard, note);
    }

    private String entry(Path file, CsvOptions options, boolean isComplete, @Nullable String shard, String note) {
        String name = String.valueOf(file.getFileName())
                .replaceFirst("\\.(csv|tsv|txt)(\\.gz)?$", "")
                .replaceAll("[^A-Za-z0-9._-]+", "-");
        text.append("sources:\n  - name: ")
                .append(quoted(name.substring(0, Math.min(LONGEST_NAME, name.length()))))
                .append('\n');
        comment(MEMBER, note);
        member(MEMBER, "files", Globs.literal(file.toString()));
        line(MEMBER, "complete: " + isComplete);
        if (!isComplete) {
            comment(MEMBER, "or complete: true, if no file grows after it appears");
        }
        member(MEMBER, "encoding", options.encoding);
        member(MEMBER, "delimiter", options.delimiter);
        member(MEMBER, "decimal", options.decimal);
        member(MEMBER, "grouping", options.grouping);
        list("missing", options.missing);
        if (options.hasNoHeader) {
            line(MEMBER, "header: false");
        }
        number("skip_lines", options.skippedLines);
        number("skip_rows_after_header", options.rowsAfterHeader);
        member(MEMBER, "comment", options.comment);
        list("only", options.only);
        number("skip_last_lines", options.skippedLastLines);
        time(options);
        list("values", options.values);
        if (open.containsKey("--value")) {
            comment(MEMBER, "or others of " + String.join(", ", open.getOrDefault("--value", List.of())));
        }
        number("window", options.window.rows == null ? 0 : options.window.rows);
        if (options.window.time != null) {
            line(MEMBER, "window: {time: " + options.window.time + "}");
        }
        if (options.shardColumn != null) {
            line(MEMBER, "shard: {column: " + quoted(options.shardColumn) + "}");
        } else {
            member(MEMBER, "shard", shard);
            candidates(MEMBER, "--shard-column", "or shard: {column: %s}");
        }
        return text.toString();
    }

    private void time(CsvOptions options) {
        if (options.time == null) {
            line(MEMBER, open.containsKey("--time") ? "# time: its column is open" : "time: " + SourceEntry.NO_TIME);
            return;
        }
        line(MEMBER, "time:");
        line(
                TIME_MEMBER,
                "column: "
                        + (options.time.indexOf(',') < 0
                                ? quoted(options.time)
                                : flow(List.of(options.time.split(",", -1)))));
        member(TIME_MEMBER, "format", options.timeFormat);
        candidates(TIME_MEMBER, "--time-format", "format: %s");
        member(TIME_MEMBER, "unit", options.timeUnit);
        candidates(TIME_MEMBER, "--time-unit", "unit: %s");
        member(TIME_MEMBER, "zone", options.timeZone);
        for (String offset : open.getOrDefault("--time-zone", List.of())) {
            comment(
                    TIME_MEMBER,
                    "the times have no zone; "
                            + (offset.equals("Z")
                                    ? "write the offset of the clock if it has another"
                                    : "or zone: " + quoted(offset) + ", as on this machine"));
        }
        if (options.yearsFrom != null) {
            line(TIME_MEMBER, "years_from: " + options.yearsFrom);
        }
    }

    private void candidates(String indent, String option, String form) {
        List<String> candidates = open.getOrDefault(option, List.of());
        candidates.stream()
                .limit(MOST_CANDIDATES)
                .map(each -> form.formatted(quoted(each)))
                .forEach(each -> comment(indent, each));
    }

    private void member(String indent, String name, @Nullable String value) {
        if (value != null) {
            line(indent, name + ": " + quoted(value));
        }
    }

    private void list(String name, List<String> values) {
        if (!values.isEmpty()) {
            line(MEMBER, name + ": " + flow(values));
        }
    }

    private static String flow(List<String> values) {
        return values.stream().map(SourceMessages::quoted).collect(Collectors.joining(", ", "[", "]"));
    }

    private void number(String name, int value) {
        if (value != 0) {
            line(MEMBER, name + ": " + value);
        }
    }

    private void line(String indent, String line) {
        text.append(indent).append(line).append('\n');
    }

    private void comment(String indent, String comment) {
        StringBuilder line = new StringBuilder();
        for (String word : comment.split("[ \n]+", -1)) {
            if (!line.isEmpty() && line.length() + word.length() + indent.length() > WIDTH) {
                line(indent, "#" + line);
                line.setLength(0);
            }
            line.append(word.isEmpty() ? "" : " ").append(word);
        }
        if (!line.isEmpty()) {
            line(indent, "#" + line);
        }
    }
}
