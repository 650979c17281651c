// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The declaration of a setting. Parsing, {@code config check}, the table in the docs, redaction and reloading are
 * derived from it. Immutable.
 *
 * @param <T> the type of its value
 */
public final class Key<T> {
    private final String name;
    private final Function<String, T> parse;
    private final String sentence;
    private final @Nullable String defaultText;
    private final @Nullable String derived;
    private final Shown shown;
    private final boolean isReloadable;

    enum Shown {
        /** The value is shown unchanged. */
        PLAIN,
        /** Only whether a value is set is shown. */
        NEVER,
        /** The value is shown without its password. */
        REDACTED,
        /**
         * The value is the name of a file that is read later. It is shown unchanged and may also be given as {@code
         * NAME_FILE}.
         */
        FILE_NAME
    }

    private Key(
            String name,
            Function<String, T> parse,
            String sentence,
            @Nullable String defaultText,
            @Nullable String derived,
            Shown shown,
            boolean isReloadable) {
        this.name = name;
        this.parse = parse;
        this.sentence = sentence;
        this.defaultText = defaultText;
        this.derived = derived;
        this.shown = shown;
        this.isReloadable = isReloadable;
    }

    /**
     * Returns a setting without a default.
     *
     * @param parse parses the value, or throws an {@link IllegalArgumentException} whose message completes "the value
     *     is …", as the parsers of {@link Quantities} do
     * @param sentence the description for the docs
     */
    public static <T> Key<T> of(String name, Function<String, T> parse, String sentence) {
        return new Key<>(name, parse, sentence, null, null, Shown.PLAIN, false);
    }

    /** Returns a copy with a default value, as a user would write it. */
    public Key<T> or(String text) {
        return new Key<>(name, parse, sentence, text, derived, shown, isReloadable);
    }

    /** Returns a copy whose default is derived from other settings, as {@code how} describes. */
    public Key<T> derived(String how) {
        return new Key<>(name, parse, sentence, defaultText, how, shown, isReloadable);
    }

    /** Returns a copy whose value is never printed. */
    public Key<T> secret() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.NEVER, isReloadable);
    }

    /** Returns a copy whose value may be an address with a password, which is never printed. */
    public Key<T> mayHoldPassword() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.REDACTED, isReloadable);
    }

    /** Returns a copy whose value is the name of a file that the program rereads. */
    public Key<T> fileName() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.FILE_NAME, isReloadable);
    }

    /** Returns a copy whose value is reread on SIGHUP. */
    public Key<T> reloadable() {
        return new Key<>(name, parse, sentence, defaultText, derived, shown, true);
    }

    /** Returns the name in the environment and in the properties file. */
    public String name() {
        return name;
    }

    /** Returns the name of the setting that names a file with the value. */
    public String nameOfFile() {
        return name + "_FILE";
    }

    T parse(String text) {
        return parse.apply(text);
    }

    /** Returns the description for the docs. */
    public String sentence() {
        return sentence;
    }

    /** Returns the default as a user would write it, or null. */
    public @Nullable String defaultText() {
        return defaultText;
    }

    @Nullable
    String derived() {
        return derived;
    }

    Shown shown() {
        return shown;
    }

    /** Returns whether the value or a part of it is never printed. */
    public boolean isSecret() {
        return shown == Shown.NEVER || shown == Shown.REDACTED;
    }

    /** Returns whether a changed value takes effect on SIGHUP. */
    public boolean isReloadable() {
        return isReloadable;
    }

    /** Returns the name. */
    @Override
    public String toString() {
        return name;
    }

    /** Returns a table for the docs with a row for each key: name, default, description. */
    public static String table(List<Key<?>> keys) {
        StringBuilder table = new StringBuilder("| setting | default | what |\n|---|---|---|\n");
        for (Key<?> key : keys) {
            String standard =
                    key.defaultText != null ? "`" + key.defaultText + "`" : key.derived == null ? "" : key.derived;
            table.append("| `%s` | %s | %s |\n".formatted(key.name, standard, key.sentence));
        }
        return table.toString();
    }
}
