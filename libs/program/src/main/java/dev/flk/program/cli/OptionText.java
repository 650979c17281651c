// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Parsers of the texts of options. */
public final class OptionText {
    private static final String DATE = "2026-01-31";

    private OptionText() {}

    /**
     * Parses the text of an option.
     *
     * @param parse a function that throws an {@link IllegalArgumentException} with a description of the text, such as
     *     <i>not a duration</i>
     */
    public static <T> T parsed(CommandSpec command, String option, String text, Function<String, T> parse) {
        try {
            return parse.apply(text);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(command.commandLine(), option + ": '" + text + "' is " + e.getMessage(), e);
        }
    }

    /** Parses a time with an offset, or a date. For a date, returns the beginning of the day in UTC. */
    public static Instant time(CommandSpec command, String option, String text) {
        return parsed(command, option, text, each -> instant(each, "not a time; write it like "));
    }

    /** Parses a time as {@link #time} does; the message says that the option also accepts a revision. */
    public static Instant timeOrRevision(CommandSpec command, String option, String text) {
        return parsed(command, option, text, each -> instant(each, "neither a revision nor a time like "));
    }

    private static Instant instant(String text, String problem) {
        try {
            return text.length() == DATE.length()
                    ? LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant()
                    : OffsetDateTime.parse(text).toInstant();
        } catch (DateTimeException e) {
            throw new IllegalArgumentException(problem + DATE + " or " + DATE + "T12:00:00Z", e);
        }
    }
}
