// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/**
 * The environment and the option {@code --config FILE}, which all commands of a program share. Users may write the
 * option before or after the command's name.
 */
public class ConfigFile {
    private final Map<String, String> environment;

    @Option(
            names = "--config",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "A properties file with the same names as the environment, which takes precedence.")
    private @Nullable Path file;

    /** A function that reads the configuration or a part of it. It throws {@code InvalidConfig} if it has a problem. */
    public interface Reader<T> {
        /**
         * Reads it.
         *
         * @param file the properties file; null for none
         */
        T read(Map<String, String> environment, @Nullable Path file);
    }

    protected ConfigFile(Map<String, String> environment) {
        this.environment = environment;
    }

    /** Reads the configuration or a part of it. */
    public <T> T read(Reader<T> reader) {
        return reader.read(environment, file);
    }
}
