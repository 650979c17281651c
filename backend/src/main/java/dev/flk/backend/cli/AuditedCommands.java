// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.audit.OperationsFile;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.InvalidConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes down which commands changed something, and who ran them. What can't be written down is done all the same, and said. */
final class AuditedCommands {
    private final Map<String, String> environment;
    private final ConfigOption config;

    AuditedCommands(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    /** Where the audit log is; {@code walDir} is that of the log if one was named. */
    Path directory(@Nullable Path walDir) {
        return BackendConfig.auditDirectory(environment, config.file, walDir);
    }

    /**
     * Writes it down.
     *
     * @param walDir of the log if one was named
     * @param details names and values in turn
     * @param err where it is said if it can't be written
     */
    void done(String event, @Nullable Path walDir, PrintWriter err, String... details) {
        Map<String, String> named = new LinkedHashMap<>();
        for (int i = 0; i < details.length; i += 2) {
            named.put(details[i], details[i + 1]);
        }
        try {
            Path directory = directory(walDir);
            Path parent = directory.toAbsolutePath().getParent();
            if (!Files.isDirectory(directory) && (parent == null || !Files.isDirectory(parent))) {
                throw new IOException("there is no " + parent + "; name it with WAL_DIR or AUDIT_DIR");
            }
            new OperationsFile(directory, environment, InstantSource.system()).write(event, named);
        } catch (InvalidConfig e) {
            left(err, String.join("; ", e.problems()));
        } catch (IOException e) {
            left(err, CommandLineProgram.describe(e));
        }
    }

    private static void left(PrintWriter err, String why) {
        err.println(CommandLineProgram.NAME + ": done, but not in the audit log: " + why);
        err.flush();
    }
}
