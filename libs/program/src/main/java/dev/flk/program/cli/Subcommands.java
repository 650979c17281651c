// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The subcommands of a program. They are created only when they are needed, because reading the annotations of all
 * subcommands takes longer than running most of them.
 */
public final class Subcommands {
    private final Map<String, Supplier<?>> byName = new LinkedHashMap<>();

    /** Adds a subcommand, in the order of the help text. */
    public Subcommands add(String name, Supplier<?> command) {
        byName.put(name, command);
        return this;
    }

    /** Creates all subcommands and adds them to the program. */
    public void addAllTo(CommandLine program) {
        byName.forEach((name, command) -> add(program, name, command.get()));
    }

    /**
     * Creates and adds the subcommand that the first argument names. If the argument names no subcommand, creates and
     * adds all of them; without arguments, adds none.
     */
    public void addTo(CommandLine program, String... args) {
        if (args.length == 0) {
            return;
        }
        Supplier<?> named = byName.get(args[0]);
        if (named == null && program.getSubcommands().containsKey(args[0])) {
            return;
        }
        if (named == null) {
            // all subcommands are needed for the help text, for suggestions, or to find a subcommand that follows an
            // option
            addAllTo(program);
        } else {
            add(program, args[0], named.get());
        }
    }

    /** Adds a command, in place of a method of the program's root that has the same name. */
    private static void add(CommandLine program, String name, Object command) {
        if (program.getSubcommands().containsKey(name)) {
            program.getCommandSpec().removeSubcommand(name);
        }
        program.addSubcommand(name, command);
    }

    /**
     * Prints which command to use instead of an unknown one, or else the commands and options with a similar name.
     *
     * @return false if nothing was printed
     */
    public static boolean printSuggestions(ParameterException mistake, PrintWriter err) {
        List<String> unknown =
                mistake instanceof UnmatchedArgumentException unmatched ? unmatched.getUnmatched() : List.of();
        for (String word : unknown) {
            Optional<FormerName> former = FormerName.find(word.substring(word.lastIndexOf('/') + 1));
            if (former.isPresent()) {
                err.println(former.get().name() + ": " + former.get().advice());
                return true;
            }
        }
        return UnmatchedArgumentException.printSuggestions(mistake, err);
    }
}
