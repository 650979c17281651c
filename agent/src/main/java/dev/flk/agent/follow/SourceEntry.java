// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import com.fasterxml.jackson.core.JsonLocation;
import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CertifyOptions;
import dev.flk.agent.csv.CsvFormat.Filter;
import dev.flk.agent.follow.Source.Shard;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

/** An entry of a file of sources. Reports each mistake with its place. */
final class SourceEntry {
    /** The value of {@code time} for a file with one column and no times. */
    static final String NO_TIME = "none";

    /** The members that mean no option of {@code certify}. */
    private static final List<String> OTHERS = List.of("name", "files", "complete", "may_rest", "shard", "shard.file");

    private static final String TIME = "time.column";
    private static final int MOST_VALUES = 3;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final Pattern OPTION = Pattern.compile("--[a-z-]+");
    private static final Pattern WRONG_TYPE =
            Pattern.compile("Invalid value for option '(--[a-z-]+)'.*: ('.*') is not an? \\w+");

    private final JsonLocation at;
    private final Path folder;
    private final Consumer<String> problems;
    /** The members by name; those of a mapping have its name before theirs, as in {@code time.zone}. */
    private final Map<String, YamlValue> members = new LinkedHashMap<>();

    private boolean isWrong;

    /**
     * Creates the entry.
     *
     * @param folder the folder of the file of sources, to which relative paths are relative
     * @param problems receives each mistake
     */
    SourceEntry(YamlValue entry, Path folder, Consumer<String> problems) {
        at = entry.at();
        this.folder = folder;
        this.problems = problems;
        entry.mapping().forEach((name, value) -> {
            if (!value.mapping().isEmpty()) {
                value.mapping().forEach((inner, of) -> members.put(name + "." + inner, of));
            } else {
                members.put(name, value);
            }
        });
    }

    /** Returns the names of all members. */
    static Stream<String> names() {
        return Stream.concat(OTHERS.stream(), SourceMembers.OPTIONS.keySet().stream());
    }

    /** Returns the source; empty if the entry has a mistake. */
    Optional<Source> source() {
        members.forEach(this::requireKnown);
        String name = text("name");
        if (members.containsKey("name") && !NAME.matcher(name).matches()) {
            wrong("name", "must have 1 to 64 letters, digits, points, hyphens or underscores, not '" + name + "'");
        }
        boolean isComplete = isTrue("complete");
        boolean mayRest = isTrue("may_rest");
        String files = files();
        Shard shard = shard(name);
        List<String> arguments = arguments();
        if (isWrong) {
            return Optional.empty();
        }
        try {
            CertifyOptions options = new CertifyOptions();
            new CommandLine(options).setExpandAtFiles(false).parseArgs(arguments.toArray(String[]::new));
            Source source = new Source(
                    name,
                    files,
                    options.csv.columns(),
                    options.csv.format(),
                    options.windows(),
                    shard,
                    isComplete,
                    mayRest);
            if (isComplete || source.format().filter().equals(Filter.NONE)) {
                return Optional.of(source);
            }
            wrong("complete", "comment, only and skip_last_lines need complete files; add complete: true");
        } catch (ParameterException | IllegalArgumentException e) {
            String message = WRONG_TYPE
                    .matcher(String.valueOf(e.getMessage()))
                    .replaceFirst("$1: must be a number such as 100, not $2");
            Matcher option = OPTION.matcher(message);
            wrong(place(option.find() ? SourceMembers.member(option.group()) : ""), SourceMembers.inFile(message));
        }
        return Optional.empty();
    }

    private void requireKnown(String member, YamlValue value) {
        if (names().noneMatch(member::equals) && !member.equals("time")) {
            String mapping = member.substring(0, member.indexOf('.') + 1);
            String parent = names().anyMatch(each -> each.startsWith(mapping)) ? mapping : "";
            wrong(
                    value.at(),
                    "there is no member " + member + "; the members are "
                            + names().filter(each -> each.startsWith(parent))
                                    .map(each -> parent.isEmpty() ? each.replaceFirst("\\..*", "") : each)
                                    .distinct()
                                    .collect(Collectors.joining(", ")));
        }
    }

    /** Returns the entry as options of {@code certify}. */
    private List<String> arguments() {
        boolean hasTime = !NO_TIME.equals(textOr("time", ""));
        if (hasTime && members.containsKey("time")) {
            members.put(TIME, value("time"));
        }
        if (hasTime && !members.containsKey(TIME)) {
            wrong(at, "time is missing; write the name of its column, or none for a file with one column and no times");
        }
        List<String> arguments = new ArrayList<>();
        SourceMembers.OPTIONS.forEach((member, option) -> {
            if (member.equals("header")) {
                arguments.add(option + "=" + !isTrue(member));
            } else if (member.equals(TIME) && value(TIME).isList()) {
                arguments.add(option + "=" + String.join(",", texts(TIME)));
            } else if (SourceMembers.LISTS.contains(member)) {
                texts(member).forEach(text -> arguments.add(option + "=" + text));
            } else if (members.containsKey(member)) {
                arguments.add(option + "=" + text(member));
            }
        });
        YamlValue values = value("values");
        boolean isCountWrong = values.list().isEmpty() || values.list().size() > MOST_VALUES;
        if (!members.containsKey("values") || (values.isList() && isCountWrong)) {
            wrong("values", "must name one to three columns, as in [temp, hum]");
        }
        return arguments;
    }

    private String files() {
        String files = text("files");
        String pattern = files.startsWith("/") ? files : Globs.literal(folder.toString()) + "/" + files;
        try {
            Globs.check(pattern);
        } catch (IllegalArgumentException e) {
            wrong("files", "'" + files + "' is no path with wildcards: " + e.getMessage());
        }
        return pattern;
    }

    private Shard shard(String name) {
        if (members.containsKey("shard.column")) {
            if (members.containsKey("shard.file")) {
                wrong("shard.file", "is one rule for shards and shard.column is another; remove one of them");
            }
            return new Shard.Column();
        }
        boolean isFileName = members.containsKey("shard.file");
        try {
            return isFileName
                    ? new Shard.FileName(text("shard.file"))
                    : new Shard.Ids(new Certifier(List.of(textOr("shard", name))).shardIds());
        } catch (IllegalArgumentException e) {
            String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
            wrong(isFileName ? "shard.file" : "shard", (isFileName ? "is no regular expression: " : "") + why);
            return new Shard.Column();
        }
    }

    private YamlValue value(String member) {
        return members.getOrDefault(member, new YamlValue(at, ""));
    }

    private JsonLocation place(String member) {
        return value(member).at();
    }

    private String text(String member) {
        YamlValue value = value(member);
        if (!members.containsKey(member)) {
            wrong(at, member + " is missing");
        } else if (value.isList() || value.texts().isEmpty()) {
            wrong(member, "must be one text");
        }
        return String.join("", value.texts());
    }

    private String textOr(String member, String otherwise) {
        return members.containsKey(member) ? text(member) : otherwise;
    }

    private List<String> texts(String member) {
        YamlValue value = value(member);
        if (members.containsKey(member)
                && (!value.isList() || value.texts().size() < value.list().size())) {
            wrong(member, "must be a list of texts, such as [a, b]");
        }
        return value.isList() ? value.texts() : List.of();
    }

    /** Returns whether a member is true; a file has a header if nothing else is said. */
    private boolean isTrue(String member) {
        String text = textOr(member, String.valueOf(member.equals("header")));
        if (!text.equals("true") && !text.equals("false")) {
            wrong(member, "must be true or false, not '" + text + "'");
        }
        return text.equals("true");
    }

    private void wrong(String member, String what) {
        wrong(place(member), member + ": " + what);
    }

    private void wrong(JsonLocation place, String what) {
        isWrong = true;
        String name = String.join("", value("name").texts());
        problems.accept(YamlValue.place(place) + (name.isEmpty() ? "" : "source " + name + ": ") + what);
    }
}
