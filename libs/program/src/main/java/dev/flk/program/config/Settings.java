// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import dev.flk.program.cli.FormerName;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.config.Key.Shown;
import dev.flk.program.diagnostics.UriSecrets;
import dev.flk.program.files.PathNames;
import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The value of each key and its origin. The environment overrides the properties file, which overrides the default.
 * Instead of a setting {@code NAME}, {@code NAME_FILE} may name a file with the value. An empty value counts as not
 * set. A key is evaluated when it is requested. If a key has a problem, the problem is recorded once and reading
 * continues with the key's default; {@link #check} throws an exception with all problems. Not thread-safe.
 */
public final class Settings {
    private static final int MAX_FILE_BYTES = 1 << 20;
    private static final int COLUMNS = 80;
    private static final int KEY_COLUMNS = 27;
    private static final int ORIGIN_COLUMNS = 18;
    private static final int VALUE_COLUMNS = COLUMNS - KEY_COLUMNS - ORIGIN_COLUMNS - 2;

    /** The minimum length of a line of PEM that counts as a secret. A shorter line reveals nothing about a key. */
    private static final int LEAST_KEY_LINE = 8;

    /** The length below which a secret is so short that it can be guessed. */
    private static final int LEAST_SECRET_CHARS = 8;

    /** The form of a text that was probably meant as the name of a setting. */
    private static final Pattern LIKE_A_NAME = Pattern.compile("(?=.{1,40}$)[A-Za-z]+[0-9]?(_[A-Za-z0-9]+)*");

    private static final Pattern QUOTED = Pattern.compile("([\"']).*\\1", Pattern.DOTALL);

    /**
     * The character that Java substitutes for bytes of the environment that it can't decode in the encoding of the
     * locale.
     */
    private static final char LOST = '\uFFFD';

    private final List<Key<?>> keys;
    private static final Pattern NO_NAME = Pattern.compile("(?!)");

    private final Pattern other;
    private final Map<String, String> ofOther = new TreeMap<>();
    private final Map<String, String> environment;
    private final Map<String, String> file = new HashMap<>();
    private final Map<Key<?>, Optional<Setting>> set = new LinkedHashMap<>();
    private final Set<Key<?>> broken = new HashSet<>();
    private final List<String> problems = new ArrayList<>();
    /**
     * Whether the properties file can't be read. If so, only this problem is reported, because it may cause the other
     * problems, such as missing settings.
     */
    private boolean isFileUnreadable;

    private final List<String> warnings = new ArrayList<>();

    private record Setting(String text, String origin) {}

    /**
     * Creates settings from the environment and, if given, a file.
     *
     * @param keys the keys of the program
     * @param path a file of Java properties in UTF-8, with the same names as in the environment and no others; null for
     *     no file
     */
    public Settings(List<Key<?>> keys, Map<String, String> environment, @Nullable Path path) {
        this(keys, environment, path, NO_NAME);
    }

    /**
     * Creates settings beside which there may be those of another program, see {@link #ofOther}.
     *
     * @param other the names of the settings of the other program
     */
    public Settings(List<Key<?>> keys, Map<String, String> environment, @Nullable Path path, Pattern other) {
        this.keys = List.copyOf(keys);
        this.environment = environment;
        environment.forEach((name, value) -> {
            if (!value.isEmpty() && other.matcher(name).matches()) {
                ofOther.put(name, value);
            }
        });
        this.other = other;
        if (path != null) {
            load(path);
        }
    }

    private void load(Path path) {
        Properties lines = new Properties() {
            private static final long serialVersionUID = 1;

            @Override
            public synchronized Object put(Object name, Object value) {
                take((String) name, (String) value, path);
                return "";
            }
        };
        try {
            Optional<String> kind = RegularFile.otherKind(path);
            if (kind.isPresent()) { // opening a FIFO may block forever
                unreadable("--config %s: is %s, but must be a regular file".formatted(path, kind.get()));
                return;
            }
            try (Reader reader = Files.newBufferedReader(path, StandardCharsets.UTF_8)) {
                lines.load(reader);
            }
        } catch (IOException | IllegalArgumentException e) {
            unreadable("--config %s: can't be read: %s".formatted(path, why(e)));
        }
    }

    private void unreadable(String problem) {
        problems.clear();
        problems.add(problem);
        isFileUnreadable = true;
    }

    private void take(String name, String value, Path path) {
        if (names().anyMatch(name::equals)) {
            if (file.put(name, value) != null) {
                problems.add("%s: is set twice in %s; remove one of the two".formatted(name, path));
            }
        } else if (other.matcher(name).matches()) {
            ofOther.putIfAbsent(name, value);
        } else if (LIKE_A_NAME.matcher(name).matches()) {
            problems.add("%s: is in %s, but is not a setting; %s"
                    .formatted(
                            name,
                            path,
                            FormerName.find(name)
                                    .map(FormerName::advice)
                                    .orElseGet(() -> "did you mean " + nearest(name, names()) + "?")));
        } else {
            String problem = "--config " + path
                    + ": a line does not begin with the name of a setting; it is not shown, because it may be a part of"
                    + " a secret; write each value on one line, or name its file in NAME_FILE";
            problem(problem);
        }
    }

    /** Returns the settings that were found and belong to the other program, by name. */
    public Map<String, String> ofOther() {
        return Map.copyOf(ofOther);
    }

    private Stream<String> names() {
        return keys.stream().flatMap(key -> Stream.of(key.name(), key.nameOfFile()));
    }

    /** Returns the candidate with the smallest edit distance to {@code name}, ignoring case; there must be one. */
    public static String nearest(String name, Stream<String> candidates) {
        String upper = name.toUpperCase(Locale.ROOT);
        return candidates
                .min(Comparator.comparingInt(candidate -> distance(upper, candidate.toUpperCase(Locale.ROOT))))
                .orElseThrow();
    }

    /** Computes the Levenshtein distance, one row at a time. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }

    /** Sets a key to {@code text}, overriding every other origin. */
    public void override(Key<?> key, String text, String origin) {
        set.put(key, Optional.of(new Setting(text, origin)));
    }

    /**
     * Returns the value of a key that has a default. If the key is not set, or the value is invalid, returns the
     * default.
     */
    public <T> T get(Key<T> key) {
        return find(key).orElseGet(() -> key.parse(String.valueOf(key.defaultText())));
    }

    /**
     * Returns the value of a key. If the key is not set, returns the default, or empty if the key has no default. If
     * the value is invalid, records this as a problem and returns empty.
     */
    public <T> Optional<T> find(Key<T> key) {
        Optional<Setting> setting = setting(key);
        if (setting.isEmpty() || broken.contains(key)) {
            return Optional.empty();
        }
        String text = setting.get().text();
        try {
            return Optional.of(key.parse(key.isSecret() ? text : text.strip()));
        } catch (IllegalArgumentException e) {
            broken.add(key);
            boolean isShown = !key.isSecret() && !setting.get().origin().equals("default");
            problems.add("%s: %s is %s (%s)"
                    .formatted(
                            key,
                            isShown ? "'" + text + "'" : "the value",
                            e.getMessage(),
                            setting.get().origin()));
            return Optional.empty();
        }
    }

    /**
     * Returns whether a key is set, even to an invalid value. An invalid value is a problem of its own, so a caller
     * must not also report the key as missing.
     */
    public boolean isGiven(Key<?> key) {
        return setting(key).filter(each -> !each.origin().equals("default")).isPresent() || broken.contains(key);
    }

    /**
     * Returns whether an invalid value of the key has been found. If so, callers must not report problems of the
     * default that replaces the value.
     */
    public boolean isBroken(Key<?> key) {
        return broken.contains(key);
    }

    /** Records a problem with a key or with a combination of keys, once. */
    public void problem(String problem) {
        if (!problems.contains(problem)) {
            problems.add(problem);
        }
    }

    /** Records a problem unless {@code holds}. */
    public void require(boolean holds, String problem) {
        if (!holds) {
            problem(problem);
        }
    }

    /**
     * Records a warning for each key of {@code unused} that is set. The warning says that the key has no effect, and
     * why.
     */
    public void unused(String because, List<? extends Key<?>> unused) {
        for (Key<?> key : unused) {
            if (isGiven(key)) {
                warnings.add(key + ": has no effect, because " + because);
            }
        }
    }

    /**
     * Returns warnings about settings that are allowed but probably a mistake: settings without effect, former names of
     * settings, and suspicious secrets.
     */
    public List<String> warnings() {
        List<String> all = new ArrayList<>(warnings);
        all.addAll(formerNames());
        for (Key<?> key : keys) {
            String text =
                    key.shown() == Shown.NEVER ? setting(key).map(Setting::text).orElse("") : "";
            if (text.contains("-----BEGIN")) {
                continue; // a file in PEM may end with empty lines
            }
            if (!text.equals(text.strip())) {
                all.add(key
                        + ": begins or ends with a space, which is part of the secret; remove it if it should not be");
            } else if (QUOTED.matcher(text).matches()) {
                all.add(key + ": is in quotes, which are part of the secret; remove them if they should not be");
            } else if (!text.isEmpty() && text.length() < LEAST_SECRET_CHARS) {
                all.add(key + ": has only " + text.length()
                        + " characters and can be guessed; use a random one, such as the output of openssl rand"
                        + " -hex 32");
            }
        }
        return all;
    }

    /**
     * Returns a warning for each former name in the environment, unless the setting that takes its place is given. It
     * is not a problem, because the environment may have the name for another program.
     */
    private List<String> formerNames() {
        List<String> found = new ArrayList<>();
        for (String name : new TreeSet<>(environment.keySet())) {
            FormerName.find(name)
                    .filter(former ->
                            keys.stream().anyMatch(key -> key.name().equals(former.setting()) && !isGiven(key)))
                    .ifPresent(former ->
                            found.add(name + ": is in the environment, but is not a setting; " + former.advice()));
        }
        return found;
    }

    public List<String> problems() {
        return List.copyOf(isFileUnreadable ? problems.subList(0, 1) : problems);
    }

    /** Throws an {@link InvalidConfig} with all problems, if there are any. */
    public void check() {
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems());
        }
    }

    private Optional<Setting> setting(Key<?> key) {
        Optional<Setting> known = set.get(key);
        if (known == null) {
            known = from(environment, key, "environment")
                    .or(() -> from(file, key, "file"))
                    .or(() -> Optional.ofNullable(key.defaultText()).map(text -> new Setting(text, "default")));
            set.put(key, known);
        }
        return known;
    }

    private Optional<Setting> from(Map<String, String> values, Key<?> key, String origin) {
        String text = values.getOrDefault(key.name(), "");
        String path = values.getOrDefault(key.nameOfFile(), "");
        if (!text.isEmpty() && !path.isEmpty()) {
            problems.add("%s: %s is set too; remove one of the two".formatted(key, key.nameOfFile()));
        }
        if (values == environment && text.indexOf(LOST) >= 0) {
            problems.add(("%s: contains characters that this locale can't represent; start with "
                            + "LC_ALL=C.UTF-8, or write the value to a file and set %s")
                    .formatted(key, key.nameOfFile()));
        }
        String fromFile = origin + ", _FILE";
        if (key.shown() == Shown.FILE_NAME) {
            String name = text.isEmpty() ? path : text;
            if (name.contains("-----BEGIN")) {
                // the message omits the value, which may be a private key
                broken.add(key);
                problems.add("%s: is PEM text, but must name a file; write the text to a file, and set %s to its name"
                        .formatted(key, key));
                return Optional.empty();
            }
            return name.isEmpty()
                    ? Optional.empty()
                    : Optional.of(new Setting(name, text.isEmpty() ? fromFile : origin));
        }
        if (!text.isEmpty()) {
            return Optional.of(new Setting(text, origin));
        }
        return path.isEmpty() ? Optional.empty() : contentOf(key, path).map(content -> new Setting(content, fromFile));
    }

    private Optional<String> contentOf(Key<?> key, String path) {
        try {
            Path from = Path.of(path);
            String objection = "";
            if (Files.exists(from) && !Files.isRegularFile(from)) {
                objection = "is not a regular file"; // opening a pipe may block forever
            } else if (Files.exists(from) && Files.size(from) > MAX_FILE_BYTES) {
                objection = "is longer than " + MAX_FILE_BYTES + " bytes";
            } else {
                String content = withoutFinalNewline(Files.readString(from));
                if (!content.isEmpty()) {
                    return Optional.of(content);
                }
                objection = "is empty";
            }
            problems.add("%s: %s %s".formatted(key.nameOfFile(), path, objection));
        } catch (IOException | InvalidPathException e) {
            problems.add("%s: %s can't be read: %s".formatted(key.nameOfFile(), path, why(e)));
        }
        broken.add(key);
        return Optional.empty();
    }

    private static String withoutFinalNewline(String content) {
        if (content.endsWith("\r\n")) {
            return content.substring(0, content.length() - 2);
        }
        return content.endsWith("\n") ? content.substring(0, content.length() - 1) : content;
    }

    /** Returns an explanation of an exception, because the JDK's own messages often contain nothing but the path. */
    private static String why(Exception e) {
        if (e instanceof NoSuchFileException) {
            return "there is no such file";
        }
        if (e instanceof AccessDeniedException) {
            return "no permission to read it";
        }
        if (e instanceof CharacterCodingException) {
            return "it is not UTF-8";
        }
        if (e instanceof InvalidPathException name) {
            return PathNames.reason(name);
        }
        return e instanceof IOException io ? IoMessages.reason(io) : String.valueOf(e.getMessage());
    }

    private static String shown(Key<?> key, String text) {
        return switch (key.shown()) {
            case NEVER -> "set";
            case REDACTED -> UriSecrets.redacted(text);
            case PLAIN, FILE_NAME -> text;
        };
    }

    /**
     * Returns the effective values by name. A secret is replaced by {@code set}, and a password in an address is
     * masked.
     */
    public Map<String, String> shown() {
        Map<String, String> shown = new LinkedHashMap<>();
        for (Key<?> key : keys) {
            setting(key).ifPresent(setting -> shown.put(key.name(), shown(key, setting.text())));
        }
        return shown;
    }

    /** Returns the effective values, by name, that {@link #shown} does not show completely. */
    public Map<String, Secret> secretValues() {
        Map<String, Secret> values = new LinkedHashMap<>();
        for (Key<?> key : keys) {
            if (key.isSecret()) {
                setting(key).ifPresent(setting -> values.put(key.name(), new Secret(setting.text())));
            }
        }
        return values;
    }

    /** Returns a report for diagnostics, with a line for each key and each problem. The report contains no secrets. */
    public String report() {
        StringBuilder text = new StringBuilder();
        for (Key<?> key : keys) {
            text.append("%-20s %s\n"
                    .formatted(
                            key,
                            setting(key)
                                    .map(setting -> shown(key, setting.text()) + " (" + setting.origin() + ")")
                                    .orElse("not set")));
        }
        problems().forEach(problem -> text.append("PROBLEM ").append(problem).append('\n'));
        return text.toString();
    }

    /**
     * Returns the texts to remove elsewhere: secrets and their comma-separated parts, the passwords in addresses, and
     * the lines of private keys.
     */
    public List<String> secrets() {
        Set<String> secrets = new LinkedHashSet<>();
        for (Key<?> key : keys) {
            String text = setting(key).map(Setting::text).orElse("");
            if (key.shown() == Shown.REDACTED) {
                secrets.addAll(UriSecrets.of(text));
            } else if (text.contains("-----BEGIN")) {
                text.lines()
                        .filter(line -> line.length() >= LEAST_KEY_LINE && !line.startsWith("-----"))
                        .forEach(secrets::add);
            } else if (key.shown() == Shown.NEVER && !text.isEmpty()) {
                secrets.add(text);
                secrets.addAll(Quantities.commaSeparated(text));
            }
        }
        return List.copyOf(secrets);
    }

    /**
     * Returns a table for people with the columns key, value and origin. The table is {@value #COLUMNS} columns wide; a
     * long value continues on additional lines.
     *
     * @param derived the values that are derived from other settings, by name
     */
    public String table(Map<String, String> derived) {
        StringBuilder table = new StringBuilder();
        for (Key<?> key : keys) {
            Optional<Setting> setting = setting(key);
            String value = setting.map(each -> key.isSecret() ? "(set, not shown)" : each.text())
                    .orElse(derived.getOrDefault(key.name(), "-"));
            String origin = setting.map(Setting::origin)
                    .orElse(derived.containsKey(key.name()) && key.derived() != null ? key.derived() : "not set");
            String name = key.name();
            while (value.length() > VALUE_COLUMNS) {
                table.append(("%-" + KEY_COLUMNS + "s %s%n").formatted(name, value.substring(0, VALUE_COLUMNS)));
                value = value.substring(VALUE_COLUMNS);
                name = "";
            }
            table.append(("%-" + KEY_COLUMNS + "s %-" + VALUE_COLUMNS + "s %s%n").formatted(name, value, origin));
        }
        return table.toString();
    }
}
