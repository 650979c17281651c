// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** {@code --config FILE}, before or after the name of the command: one option that the commands share. */
final class ConfigOption {
    @Option(
            names = "--config",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "Properties with the names of the environment, which wins.")
    @Nullable
    Path file;
}
