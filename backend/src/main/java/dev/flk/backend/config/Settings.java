// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.config.Setting.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What is set for each key, and where: the environment wins over the file, the file over the default. A value that is
 * empty in the environment counts as not set, as container tools leave it behind for what nobody gave.
 */
final class Settings {
    private static final int MAX_FILE_BYTES = 1 << 20;

    /** What Java makes of a byte of the environment that the locale's encoding does not have. */
    private static final char LOST = '\uFFFD';

    private final Map<Key, Setting> set = new EnumMap<>(Key.class);
    private final Set<Key> unreadable = EnumSet.noneOf(Key.class);
    private final List<String> problems;

    /** Only {@code keys} are looked at. What is wrong goes to {@code problems}; the key then counts as not set. */
    Settings(Map<String, String> environment, Map<String, String> file, Set<Key> keys, List<String> problems) {
        this.problems = problems;
        Key.GONE.forEach((name, instead) -> {
            if (environment.containsKey(name) || file.containsKey(name)) {
                problems.add(name + ": " + instead);
            }
        });
        for (Key key : keys) {
            from(environment, key, Origin.ENVIRONMENT, Origin.ENVIRONMENT_FILE)
                    .or(() -> from(file, key, Origin.FILE, Origin.FILE_FILE))
                    .or(() -> key.defaultText().map(text -> new Setting(text, Origin.DEFAULT)))
                    .ifPresent(setting -> set.put(key, setting));
        }
    }

    Optional<Setting> get(Key key) {
        return Optional.ofNullable(set.get(key));
    }

    /** Whether somebody has named a file for it that can't be read, or is empty, which is among the problems. */
    boolean isUnreadable(Key key) {
        return unreadable.contains(key);
    }

    /** {@code text} stands for a key, whatever else is set. */
    void override(Key key, String text) {
        set.put(key, new Setting(text, Origin.OPTION));
    }

    private Optional<Setting> from(Map<String, String> values, Key key, Origin direct, Origin byFile) {
        String text = values.getOrDefault(key.name(), "");
        String path = values.getOrDefault(key.inFile(), "");
        if (!text.isEmpty() && !path.isEmpty()) {
            problems.add("%s: %s is set too; remove one of the two".formatted(key, key.inFile()));
        }
        if (direct == Origin.ENVIRONMENT && text.indexOf(LOST) >= 0) {
            problems.add(("%s: has characters that got lost, since the locale has none but ASCII; start with "
                            + "LC_ALL=C.UTF-8, or write the value into a file and set %s")
                    .formatted(key, key.inFile()));
        }
        if (key.namesFile()) {
            return nameOfFile(key, text.isEmpty() ? path : text, text.isEmpty() ? byFile : direct);
        }
        if (!text.isEmpty()) {
            return Optional.of(new Setting(text, direct));
        }
        return path.isEmpty() ? Optional.empty() : contentOf(key, path).map(content -> new Setting(content, byFile));
    }

    private Optional<Setting> nameOfFile(Key key, String name, Origin origin) {
        if (name.contains("-----BEGIN")) {
            // without the value: it may be a key
            problems.add("%s: is the text itself; write it to a file, and set %s to its name".formatted(key, key));
            return Optional.empty();
        }
        return name.isEmpty() ? Optional.empty() : Optional.of(new Setting(name, origin));
    }

    private Optional<String> contentOf(Key key, String path) {
        try {
            Path file = Path.of(path);
            boolean isOther = Files.exists(file) && !Files.isRegularFile(file); // to open a pipe may take for ever
            if (isOther || (Files.exists(file) && Files.size(file) > MAX_FILE_BYTES)) {
                unreadable.add(key);
                problems.add("%s: %s %s"
                        .formatted(
                                key.inFile(),
                                path,
                                isOther ? "is no regular file" : "is longer than " + MAX_FILE_BYTES + " bytes"));
                return Optional.empty();
            }
            String content = withoutFinalNewline(Files.readString(file));
            if (content.isEmpty()) {
                unreadable.add(key);
                problems.add("%s: %s is empty".formatted(key.inFile(), path));
            }
            return content.isEmpty() ? Optional.empty() : Optional.of(content);
        } catch (IOException | InvalidPathException e) {
            unreadable.add(key);
            problems.add("%s: %s can't be read: %s".formatted(key.inFile(), path, ReadFailure.why(e)));
            return Optional.empty();
        }
    }

    private static String withoutFinalNewline(String content) {
        int end = content.length();
        if (content.endsWith("\r\n")) {
            end -= 2;
        } else if (content.endsWith("\n")) {
            end -= 1;
        }
        return content.substring(0, end);
    }
}
