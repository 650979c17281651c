// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.InvalidConfig;
import dev.flk.backend.keys.InvalidKeysException;
import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeysEditor;
import dev.flk.backend.keys.KeysFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which keys file: the option that the commands about it share. */
final class KeysSource {
    private final Map<String, String> environment;
    private final ConfigOption config;

    @Option(
            names = "--file",
            paramLabel = "FILE",
            description = "The keys file; without it that of the configuration (KEYS_FILE).")
    @Nullable
    Path file;

    KeysSource(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    Path path() {
        return file == null ? BackendConfig.keysFile(environment, config.file) : file;
    }

    /** All keys; a file with mistakes is one of the configuration. */
    List<KeyEntry> entries() {
        try {
            return KeysFile.read(path(), null).entries();
        } catch (InvalidKeysException e) {
            throw invalid(e);
        }
    }

    void edit(KeysEditor editor, KeysEditor.Change change) throws IOException {
        try {
            editor.edit(change);
        } catch (InvalidKeysException e) {
            throw invalid(e);
        }
    }

    private InvalidConfig invalid(InvalidKeysException e) {
        return new InvalidConfig(
                e.problems().stream().map(problem -> path() + ": " + problem).toList());
    }
}
