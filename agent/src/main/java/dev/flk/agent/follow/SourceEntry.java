// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import com.fasterxml.jackson.core.JsonLocation;
import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvFormat.Filter;
import dev.flk.agent.certify.CsvOptions;
import dev.flk.agent.follow.Source.Shard;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** An entry of a file of sources. Its members mean what the options of {@code certify} mean. Collects its mistakes. */
final class SourceEntry {
    /** The members of an entry. */
    static final List<String> MEMBERS = List.of(
            "name",
            "files",
            "complete",
            "encoding",
            "delimiter",
            "decimal",
            "grouping",
            "missing",
            "header",
            "skip_lines",
            "skip_rows_after_header",
            "comment",
            "only",
            "skip_last_lines",
            "time",
            "values",
            "window",
            "shard");
    /** The members of {@code time}, if it is a mapping. */
    static final List<String> TIME_MEMBERS = List.of("column", "format", "unit", "zone", "years_from");

    /** The value of {@code time} for a file with one column and no times. */
    static final String NO_TIME = "none";

    private static final int MOST_VALUES = 3;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final Pattern NUMBER = Pattern.compile("0|[1-9]\\d{0,8}");

    private final JsonLocation at;
    private final Path folder;
    private final Consumer<String> problems;
    private final Map<String, YamlValue> members;
    private final Map<String, YamlValue> time = new LinkedHashMap<>();
    private boolean isWrong;

    /**
     * Creates the entry.
     *
     * @param folder the folder of the file of sources, to which relative paths are relative
     * @param problems receives each mistake, with its place
     */
    SourceEntry(YamlValue entry, Path folder, Consumer<String> problems) {
        this.at = entry.at();
        this.folder = folder;
        this.problems = problems;
        members = entry.mapping().orElse(Map.of());
        if (members.isEmpty()) {
            wrong(at, "a source is a mapping with the members name, files, time and values");
        }
    }

    /** Returns the source; empty if the entry has a mistake. */
    Optional<Source> source() {
        requireKnown(members, MEMBERS, "");
        readTimeMembers();
        String name = required("name");
        if (!name.isEmpty() && !NAME.matcher(name).matches()) {
            wrong("name", "must have 1 to 64 letters, digits, points, hyphens or underscores, not '" + name + "'");
        }
        String files = files();
        boolean isComplete = flag("complete", false);
        CsvOptions options = options();
        Shard shard = shard(name, options);
        if (isWrong) {
            return Optional.empty();
        }
        try {
            Source source =
                    new Source(name, files, options.columns(), options.format(), options.windows(), shard, isComplete);
            if (!isComplete && !source.format().filter().equals(Filter.NONE)) {
                wrong("complete", "comment, only and skip_last_lines need complete files; add complete: true");
            }
            return isWrong ? Optional.empty() : Optional.of(source);
        } catch (IllegalArgumentException e) {
            String message = SourceMessages.inFile(String.valueOf(e.getMessage()));
            String member = message.split("[ :]", 2)[0];
            wrong(place(member), message);
            return Optional.empty();
        }
    }

    private void readTimeMembers() {
        YamlValue value = members.get("time");
        if (value == null) {
            wrong(at, "time is missing; write the name of its column, or none for a file with one column and no times");
        } else if (value.text().isPresent()) {
            time.put("column", value);
        } else {
            time.putAll(value.mapping().orElse(Map.of()));
            requireKnown(time, TIME_MEMBERS, " of time");
            if (!time.containsKey("column")) {
                wrong("time", "must be the name of a column, or a mapping with the member column");
            }
        }
    }

    private CsvOptions options() {
        CsvOptions options = new CsvOptions();
        options.encoding = text("encoding");
        options.delimiter = text("delimiter");
        options.decimal = text("decimal");
        options.grouping = text("grouping");
        options.missing = texts("missing");
        options.hasNoHeader = !flag("header", true);
        options.skippedLines = number("skip_lines", 0);
        options.rowsAfterHeader = number("skip_rows_after_header", 0);
        options.comment = text("comment");
        options.only = texts("only");
        options.skippedLastLines = number("skip_last_lines", 0);
        options.time = timeColumn();
        options.timeFormat = text("format");
        options.timeUnit = text("unit");
        options.timeZone = text("zone");
        options.yearsFrom = time.containsKey("years_from") ? (Integer) number("years_from", 0) : null;
        options.values = texts("values");
        if (options.values.isEmpty() || options.values.size() > MOST_VALUES) {
            wrong("values", "must name one to three columns, as in [temp, hum]");
        }
        YamlValue window = value("window");
        if (window != null && window.mapping().isPresent()) {
            options.window.time = onlyMember("window", window, "time");
        } else if (window != null) {
            options.window.rows = number("window", 0);
        }
        return options;
    }

    private @Nullable String timeColumn() {
        YamlValue column = value("column");
        if (column != null && column.list().isPresent()) {
            return String.join(",", texts("column"));
        }
        String name = text("column");
        return NO_TIME.equals(name) && column != null && column.equals(members.get("time")) ? null : name;
    }

    private String files() {
        String files = required("files");
        String pattern =
                files.startsWith("/") || files.isEmpty() ? files : Globs.literal(folder.toString()) + "/" + files;
        try {
            Globs.check(pattern);
        } catch (IllegalArgumentException e) {
            wrong("files", "'" + files + "' is no path with wildcards: " + e.getMessage());
        }
        return pattern;
    }

    private Shard shard(String name, CsvOptions options) {
        YamlValue shard = value("shard");
        if (shard == null || shard.mapping().isEmpty()) {
            String id = shard == null ? name : String.valueOf(text("shard"));
            try {
                return new Shard.Ids(new Certifier(List.of(id)).shardIds());
            } catch (IllegalArgumentException e) {
                wrong("shard", String.valueOf(e.getMessage()));
                return new Shard.Column();
            }
        }
        if (shard.mapping().get().containsKey("column")) {
            options.shardColumn = onlyMember("shard", shard, "column");
            return new Shard.Column();
        }
        String pattern = onlyMember("shard", shard, "file");
        try {
            return new Shard.FileName(pattern);
        } catch (IllegalArgumentException e) {
            wrong(
                    "shard",
                    "file: '" + pattern + "' is no regular expression: "
                            + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
            return new Shard.Column();
        }
    }

    private String onlyMember(String mapping, YamlValue value, String name) {
        Map<String, YamlValue> all = value.mapping().orElse(Map.of());
        requireKnown(all, List.of(name), " of " + mapping);
        Optional<String> text = Optional.ofNullable(all.get(name)).flatMap(YamlValue::text);
        if (text.isEmpty()) {
            wrong(mapping, "must have the member " + name + " with a text");
        }
        return text.orElse("");
    }

    private @Nullable YamlValue value(String member) {
        YamlValue value = members.get(member);
        return value == null ? time.get(member) : value;
    }

    private @Nullable String text(String member) {
        YamlValue value = value(member);
        if (value != null && value.text().isEmpty()) {
            wrong(member, "must be one text");
        }
        return value == null ? null : value.text().orElse("");
    }

    private String required(String member) {
        String text = text(member);
        if (text == null) {
            wrong(at, member + " is missing");
        }
        return text == null ? "" : text;
    }

    private List<String> texts(String member) {
        YamlValue value = value(member);
        List<String> texts = new ArrayList<>();
        for (YamlValue each :
                value == null ? List.<YamlValue>of() : value.list().orElse(List.of())) {
            each.text().ifPresentOrElse(texts::add, () -> wrong(each.at(), member + ": must be a list of texts"));
        }
        if (value != null && value.list().isEmpty()) {
            wrong(member, "must be a list of texts, such as [a, b]");
        }
        return texts;
    }

    private int number(String member, int otherwise) {
        String text = text(member);
        if (text == null) {
            return otherwise;
        }
        if (!NUMBER.matcher(text).matches()) {
            wrong(member, "must be a number such as 100, not '" + text + "'");
            return otherwise;
        }
        return Integer.parseInt(text);
    }

    private boolean flag(String member, boolean otherwise) {
        String text = text(member);
        if (text != null && !text.equals("true") && !text.equals("false")) {
            wrong(member, "must be true or false, not '" + text + "'");
        }
        return text == null ? otherwise : text.equals("true");
    }

    private void requireKnown(Map<String, YamlValue> mapping, List<String> known, String of) {
        mapping.forEach((name, value) -> {
            if (!known.contains(name)) {
                wrong(value.at(), "there is no member " + name + of + "; the members are " + String.join(", ", known));
            }
        });
    }

    private JsonLocation place(String member) {
        YamlValue value = value(member);
        return value == null ? at : value.at();
    }

    private void wrong(String member, String what) {
        wrong(place(member), member + ": " + what);
    }

    private void wrong(JsonLocation place, String what) {
        isWrong = true;
        String name = Optional.ofNullable(members.get("name"))
                .flatMap(YamlValue::text)
                .orElse("");
        problems.accept(YamlValue.place(place) + (name.isEmpty() ? "" : "source " + name + ": ") + what);
    }
}
