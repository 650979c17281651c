// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import picocli.CommandLine;

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
        byName.forEach((name, command) -> program.addSubcommand(name, command.get()));
    }

    /**
     * Creates and adds the subcommand that the first argument names. If the argument names no subcommand, creates and
     * adds all of them; without arguments, adds none.
     */
    public void addTo(CommandLine program, String... args) {
        if (args.length == 0 || program.getSubcommands().containsKey(args[0])) {
            return;
        }
        Supplier<?> named = byName.get(args[0]);
        if (named == null) {
            // all subcommands are needed for the help text, for suggestions, or to find a subcommand that follows an
            // option
            addAllTo(program);
        } else {
            program.addSubcommand(args[0], named.get());
        }
    }
}
