// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** The commands {@code state schema}, about the JSON Schema of a namespace. */
@Command(
        name = "schema",
        description = {
            "Commands about the JSON Schema (draft 2020-12) of the namespace.",
            "",
            "Writes that violate the schema of their namespace are rejected. Values that",
            "existed before are not; 'check' finds those that violate it.",
            ""
        })
final class StateSchemaCommand {
    private static final int MAX_SCHEMA_BYTES = 1 << 20;

    private final StateConnection state;

    StateSchemaCommand(StateConnection state) {
        this.state = state;
    }

    @Command(name = "get", description = "Prints the schema; exit code 1 if the namespace has none.")
    int get() throws IOException {
        return state.with(
                client -> state.printValue(StateConnection.require(client.schema(), "the namespace has no schema")));
    }

    @Command(name = "set", description = "Sets the schema; - reads it from standard input.")
    int set(@Parameters(paramLabel = "FILE") String file) throws IOException {
        String json = schemaText(file);
        return state.with(client -> state.printCommit(client.setSchema(json)));
    }

    @Command(name = "delete", description = "Removes the schema.")
    int delete() throws IOException {
        return state.with(client -> state.printCommit(client.deleteSchema()));
    }

    @Command(
            name = "check",
            description = "Prints existing values that violate the schema in FILE, or the one in force; exit code 1"
                    + " if there are any.")
    int check(@Parameters(paramLabel = "FILE", arity = "0..1") @Nullable String file) throws IOException {
        String json = file == null ? "" : schemaText(file);
        return state.with(client -> {
            AtomicLong violations = new AtomicLong();
            long checked = client.checkSchema(json, violation -> {
                violations.incrementAndGet();
                state.print(
                        violation,
                        found -> Printable.of(found.agentId() + " " + found.key() + "  "
                                        + (found.path().isEmpty() ? "the value" : found.path()) + " "
                                        + found.message())
                                + "\n");
            });
            StateConnection.require(
                    violations.get() == 0,
                    ErrorMessages.count(violations.get(), "value") + " of " + checked
                            + (violations.get() == 1 ? " violates" : " violate") + " the schema");
            state.output().note(ErrorMessages.count(checked, "value") + " checked, none violates the schema\n");
        });
    }

    private String schemaText(String file) throws IOException {
        if (file.equals("-")) {
            return StateConnection.standardInput();
        }
        try {
            return new String(ConfiguredFile.bytes(Path.of(file), MAX_SCHEMA_BYTES), StandardCharsets.UTF_8);
        } catch (Unusable e) {
            throw new IOException(file + " " + e.getMessage(), e);
        }
    }
}
