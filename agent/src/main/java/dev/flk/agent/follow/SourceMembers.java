// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.flk.agent.csv.TimeUnit;
import dev.flk.program.cli.Printable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The members of an entry of a file of sources that mean an option of {@code certify}. */
public final class SourceMembers {
    /** The options by the names of the members; {@code time.zone} is the member {@code zone} of {@code time}. */
    static final Map<String, String> OPTIONS = """
            encoding --encoding
            delimiter --delimiter
            decimal --decimal
            grouping --grouping
            missing --missing
            header --no-header
            skip_lines --skip-lines
            skip_rows_after_header --skip-rows-after-header
            comment --comment
            only --only
            skip_last_lines --skip-last-lines
            time.column --time
            time.format --time-format
            time.unit --time-unit
            time.zone --time-zone
            time.years_from --years-from
            values --value
            window --window
            window.time --window-time
            shard.column --shard-column
            """.lines().map(line -> line.split(" ", -1)).collect(Collectors.toMap(
            words -> words[0], words -> words[1], (one, other) -> one, LinkedHashMap<String, String>::new));

    /** The members that are lists of texts. */
    static final List<String> LISTS = List.of("missing", "only", "values");

    private static final List<String> NUMBERS =
            List.of("skip_lines", "skip_rows_after_header", "skip_last_lines", "time.years_from", "window");
    /** An option in a message, perhaps with a value that users can copy. */
    private static final Pattern OPTION = Pattern.compile("(--[a-z-]+)(?: (?!requires)('[^']*'|\"'\"|\"[^\"]*\""
            + "|[.,](?=[ ;]|$)|[+-]\\d\\d:\\d\\d|\\d+(?=[ ,;.]|$)|[A-Z]\\w*/\\w+|y+M\\w*|(?:"
            + TimeUnit.names().replace(", ", "|") + ")(?=[,.;]|$| for )|[\\p{L}\\p{N}_.-]+(?=,)|\\S+(?=:)))?");
    /** Parts of messages that name an option without its meaning, and what replaces them. */
    private static final Map<String, String> PHRASES = Map.of(
            "--time COLUMN --value COLUMN[,COLUMN[,COLUMN]]", "time and values",
            "in the format of --time-format", "in the given format",
            ", or give each text by a --missing of its own", "",
            ", or use --sort", "");

    private static final Pattern PLAIN = Pattern.compile("[A-Za-z/][A-Za-z0-9_./+*-]*(?: [A-Za-z0-9_./+-]+)*");
    private static final Pattern WORD = Pattern.compile("(?i)true|false|null|yes|no|y|n|on|off|none");

    private SourceMembers() {}

    /** Returns a message with the members of a file of sources in place of the options of {@code certify}. */
    public static String inFile(String message) {
        String text = message;
        for (Map.Entry<String, String> phrase : PHRASES.entrySet()) {
            text = text.replace(phrase.getKey(), phrase.getValue());
        }
        return OPTION.matcher(text).replaceAll(found -> {
            String value = found.group(2);
            String member = member(found.group(1));
            String shown = member.equals("header")
                    ? "header: false"
                    : value == null
                            ? member.replace("time.column", "time").replaceFirst("(.*)\\.(.*)", "$2 in $1")
                            : line(member, List.of(value.replaceAll("^(['\"])(.*)\\1$", "$2")));
            return Matcher.quoteReplacement(member.isEmpty() ? found.group() : shown);
        });
    }

    /** Returns the member that corresponds to an option; an empty text if the option has no member. */
    static String member(String option) {
        return OPTIONS.entrySet().stream()
                .filter(each -> each.getValue().equals(option))
                .map(Map.Entry::getKey)
                .findAny()
                .orElse("");
    }

    /** Returns a member with its value, as YAML; without {@code time}, which is a mapping of several lines. */
    static String line(String member, List<String> values) {
        boolean isNumber = NUMBERS.contains(member);
        String texts =
                values.stream().map(each -> isNumber ? each : quoted(each)).collect(Collectors.joining(", "));
        String value = LISTS.contains(member) || values.size() > 1 ? "[" + texts + "]" : texts;
        String[] names = member.replace("time.", "").split("\\.", -1);
        return names.length == 1 ? names[0] + ": " + value : names[0] + ": {" + names[1] + ": " + value + "}";
    }

    /** Returns a text as YAML, in quotes unless YAML reads it as the same text without them. */
    private static String quoted(String text) {
        return PLAIN.matcher(text).matches() && !WORD.matcher(text).matches()
                ? text
                : "\""
                        + Printable.escaped(
                                new String(JsonStringEncoder.getInstance().quoteAsString(text))) + "\"";
    }
}
