// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Looks values up, the environment first and then the properties file, and gathers what is wrong with them instead of
 * stopping at the first. An empty value counts as none, so that {@code NAME=} in an environment file unsets it.
 */
final class Settings {
    private static final long MAX_FILE_BYTES = 1 << 20;

    /** What Java makes of bytes of the environment that are no text in the locale; a key of it would sign wrongly. */
    private static final char UNREADABLE = '\uFFFD';

    private final Map<String, String> environment;
    private final Properties file = new Properties();
    private final List<String> problems = new ArrayList<>();
    private final Set<Setting> unsound = EnumSet.noneOf(Setting.class);

    Settings(Map<String, String> environment, @Nullable Path file) {
        this.environment = environment;
        if (file != null) {
            load(file);
        }
        if (environment.containsKey("DEBUG_PORT") || this.file.containsKey("DEBUG_PORT")) {
            problems.add("DEBUG_PORT is gone; jcmd, jstack and jfr of the JDK look into a running agent");
        }
    }

    /** The text of a setting; read from a file, one final newline less, where its {@code _FILE} name is given. */
    Optional<String> text(Setting setting) {
        return from(environment::get, setting).or(() -> from(file::getProperty, setting));
    }

    /**
     * A value of any kind.
     *
     * @param parse throws {@link IllegalArgumentException} saying how the value should look; its message follows the name
     */
    <T> T value(Setting setting, String preset, Function<String, T> parse) {
        try {
            return parse.apply(text(setting).orElse(preset));
        } catch (IllegalArgumentException e) {
            problem(setting, e.getMessage());
            return parse.apply(preset);
        }
    }

    /** A value that may be missing; empty also if it is malformed, which is then a problem. */
    <T> Optional<T> optional(Setting setting, Function<String, T> parse) {
        try {
            return text(setting).map(parse);
        } catch (IllegalArgumentException e) {
            problem(setting, e.getMessage());
            return Optional.empty();
        }
    }

    /** Whether it was given a value of any kind, also one that can't be read: then that is the problem to tell. */
    boolean isGiven(Setting setting) {
        return Stream.of(setting.name(), setting + Setting.FILE_SUFFIX)
                .flatMap(name -> Stream.of(environment.getOrDefault(name, ""), file.getProperty(name, "")))
                .anyMatch(value -> !value.isEmpty());
    }

    /** Whether no problem was found with it so far; what stands in for one that has some must not be held against another. */
    boolean isSound(Setting setting) {
        return !unsound.contains(setting);
    }

    void problem(Setting setting, @Nullable String what) {
        unsound.add(setting);
        problems.add(setting + " " + what);
    }

    List<String> problems() {
        return problems;
    }

    private Optional<String> from(Function<String, @Nullable String> source, Setting setting) {
        String fileName = setting + Setting.FILE_SUFFIX;
        Optional<String> direct =
                Optional.ofNullable(source.apply(setting.name())).filter(v -> !v.isEmpty());
        Optional<String> pointer = Optional.ofNullable(source.apply(fileName)).filter(v -> !v.isEmpty());
        if (direct.isPresent() && pointer.isPresent()) {
            addOnce(setting + " and " + fileName + " are both given; keep one");
        }
        if (direct.filter(value -> value.indexOf(UNREADABLE) >= 0).isPresent()) {
            addOnce(setting + " holds characters that this locale can't read; set LC_ALL=C.UTF-8, or use " + fileName);
        }
        return direct.isPresent() ? direct : pointer.flatMap(path -> content(setting, path));
    }

    private Optional<String> content(Setting setting, String path) {
        String name = setting + Setting.FILE_SUFFIX;
        try {
            Path of = Path.of(path);
            if (Files.exists(of) && !Files.isRegularFile(of)) {
                addOnce(name + ": " + path + " is no regular file"); // to open a pipe may take for ever
                unsound.add(setting);
                return Optional.empty();
            }
            if (Files.exists(of) && Files.size(of) > MAX_FILE_BYTES) {
                addOnce(name + ": " + path + " is longer than " + MAX_FILE_BYTES + " bytes");
                unsound.add(setting);
                return Optional.empty();
            }
            String text = Files.readString(of);
            return Optional.of(text.endsWith("\n") ? text.substring(0, text.length() - 1) : text);
        } catch (InvalidPathException e) {
            addOnce(name + ": is no path: " + e.getReason());
        } catch (CharacterCodingException e) {
            addOnce(name + ": " + path + " is not UTF-8 text");
        } catch (IOException e) {
            addOnce(name + ": cannot read " + path + reason(e));
        }
        unsound.add(setting);
        return Optional.empty();
    }

    private void load(Path path) {
        try (var reader = Files.newBufferedReader(path)) {
            file.load(reader);
        } catch (CharacterCodingException e) {
            problems.add("--config: " + path + " is not UTF-8 text");
        } catch (IOException e) {
            problems.add("--config: cannot read " + path + reason(e));
        } catch (IllegalArgumentException e) {
            problems.add("--config: " + path + " has a broken \\u escape; write backslashes twice");
        }
        Set<String> unknown = new TreeSet<>(file.stringPropertyNames());
        unknown.removeAll(Setting.names());
        unknown.remove("DEBUG_PORT");
        for (String name : unknown) {
            problems.add("--config: " + path + " has the unknown name " + name + "; see --help for the names");
        }
    }

    private void addOnce(String problem) {
        if (!problems.contains(problem)) {
            problems.add(problem);
        }
    }

    private static String reason(IOException e) {
        return e instanceof NoSuchFileException ? ", there is no such file" : ": " + e.getMessage();
    }
}
