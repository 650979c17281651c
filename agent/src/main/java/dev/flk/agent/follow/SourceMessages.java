// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.flk.program.cli.Printable;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The messages about options of {@code certify}, in the words of a file of sources. */
public final class SourceMessages {
    private static final String ONE_CHARACTER = "[.,](?=[ ;]|$)|\"'\"|' '|'[^']'";
    private static final String TEXT = "'[^']*'|\"[^\"]*\"|[\\p{L}\\p{N}_.-]+(?=,)";
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z/][A-Za-z0-9_./+*-]*(?: [A-Za-z0-9_./+-]+)*");
    private static final Pattern WORD = Pattern.compile("(?i)true|false|null|yes|no|y|n|on|off|none");

    /** Parts of sentences that name an option without its meaning. Longer texts come first. */
    private static final List<List<String>> PHRASES = List.of(
            List.of(
                    "choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]",
                    "choose others with time and values"),
            List.of(" in the format of --time-format", " in the given format"),
            List.of(", or give each text by a --missing of its own", ""),
            List.of(", or use --sort", ""));

    /**
     * An option.
     *
     * @param name a pattern of the option, whose first group is its value, if a message gives one
     * @param member the member of the file of sources, with its parents
     * @param example the member with a value, which replaces {@code $}
     */
    private record Option(Pattern name, String member, String example) {
        static Option of(String name, String value, String member, String example) {
            return new Option(Pattern.compile(name + "(?![\\w-])(?:[ =](" + value + "))?"), member, example);
        }

        String in(String message) {
            return name.matcher(message).replaceAll(found -> {
                String value = found.group(1);
                return Matcher.quoteReplacement(
                        value == null
                                ? member
                                : example.replace("$", quoted(value.replaceAll("^(['\"])(.*)\\1$", "$2"))));
            });
        }
    }

    private static final List<Option> OPTIONS = List.of(
            Option.of("--no-header", "(?!)", "header: false", ""),
            Option.of("--time-format", "'[^']*'|[yMd][\\w.:/-]*", "format in time", "format: $ in time"),
            Option.of("--time-zone", "[+-]\\d\\d:\\d\\d|[A-Z]\\w*/\\w+", "zone in time", "zone: $ in time"),
            Option.of("--time-unit", "[a-z]+(?=[,.;]|$| for )", "unit in time", "unit: $ in time"),
            Option.of("--years-from", "\\d+", "years_from in time", "years_from: $ in time"),
            Option.of("--time", "(?!)", "time", ""),
            Option.of("--value", "(?!)", "values", ""),
            Option.of("--skip-rows-after-header", "\\d+", "skip_rows_after_header", "skip_rows_after_header: $"),
            Option.of("--skip-last-lines", "\\d+", "skip_last_lines", "skip_last_lines: $"),
            Option.of("--skip-lines", "\\d+", "skip_lines", "skip_lines: $"),
            Option.of("--comment", ONE_CHARACTER, "comment", "comment: $"),
            Option.of("--only", TEXT + "|\\S+=\\S+", "only", "only: [$]"),
            Option.of("--delimiter", ONE_CHARACTER, "delimiter", "delimiter: $"),
            Option.of("--missing", "\\S+(?=:)", "missing", "missing: [$]"),
            Option.of("--decimal", ONE_CHARACTER, "decimal", "decimal: $"),
            Option.of("--grouping", ONE_CHARACTER, "grouping", "grouping: $"),
            Option.of("--encoding", "(?!)", "encoding", ""),
            Option.of("--shard-column", TEXT, "shard: {column: …}", "shard: {column: $}"),
            Option.of("--window-time", "(?!)", "window: {time: …}", ""),
            Option.of("--window", "(?!)", "window", ""));

    private SourceMessages() {}

    /** Returns a message with the members of a file of sources in place of the options of {@code certify}. */
    public static String inFile(String message) {
        String text = message;
        for (List<String> phrase : PHRASES) {
            text = text.replace(phrase.get(0), phrase.get(1));
        }
        for (Option option : OPTIONS) {
            text = option.in(text);
        }
        return text;
    }

    /** Returns a text as YAML, in quotes unless YAML reads it as the same text without them. */
    static String quoted(String text) {
        return PLAIN.matcher(text).matches() && !WORD.matcher(text).matches()
                ? text
                : "\""
                        + Printable.escaped(
                                new String(JsonStringEncoder.getInstance().quoteAsString(text))) + "\"";
    }
}
