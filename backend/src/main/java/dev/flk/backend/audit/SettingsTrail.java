// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The settings of the last start, in {@code settings.json}, with which those of the next are compared. For one thread. */
final class SettingsTrail {
    private static final String NOT_SET = "not set";
    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;

    SettingsTrail(Path directory) {
        this.file = directory.resolve("settings.json");
    }

    /**
     * What is set otherwise than at the start before; empty if there was none, or its file can't be read.
     *
     * @return {@code from → to} by name, {@value #NOT_SET} for what was or is not
     */
    Optional<Map<String, String>> changes(Map<String, String> settings) throws IOException {
        Map<String, String> before;
        try {
            before = JSON.readValue(Files.readString(file), new TypeReference<Map<String, String>>() {});
        } catch (NoSuchFileException | JsonProcessingException e) {
            return Optional.empty();
        }
        Map<String, String> changes = new TreeMap<>();
        settings.forEach((name, value) -> note(changes, name, before.remove(name), value));
        before.forEach((name, value) -> note(changes, name, value, null));
        return Optional.of(new LinkedHashMap<>(changes));
    }

    private static void note(Map<String, String> changes, String name, @Nullable String from, @Nullable String to) {
        String before = from == null ? NOT_SET : from;
        String after = to == null ? NOT_SET : to;
        if (!before.equals(after)) {
            changes.put(name, before + " → " + after);
        }
    }

    /** Keeps them for the next start. */
    void keep(Map<String, String> settings) throws IOException {
        Path written = file.resolveSibling("settings.json.new");
        Files.deleteIfExists(written);
        try (FileChannel channel = FileChannel.open(
                written,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
            ByteBuffer rest = ByteBuffer.wrap(JSON.writeValueAsBytes(settings));
            while (rest.hasRemaining()) {
                channel.write(rest);
            }
            channel.force(true);
        }
        Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);
    }
}
