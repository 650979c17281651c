// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A setting, declared once: parsing, {@code config check}, the table of the docs, redaction and what a reload takes follow from it. Immutable.
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
        /** As it is. */
        PLAIN,
        /** Only whether it is set. */
        NEVER,
        /** Without the password in it. */
        REDACTED,
        /** As it is: the name of a file that is read later, and may be given under {@code NAME_FILE} too. */
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
     * A setting without a default.
     *
     * @param parse throws {@link IllegalArgumentException} whose message completes "the value is …", as those of {@link Quantities} do
     * @param sentence for the docs
     */
    public static <T> Key<T> of(String name, Function<String, T> parse, String sentence) {
        return new Key<>(name, parse, sentence, null, null, Shown.PLAIN, false);
    }

    /** With what stands where nothing is set, as one would write it. */
    public Key<T> or(String text) {
        return new Key<>(name, parse, sentence, text, derived, shown, isReloadable);
    }

    /** Without a default, but with a value that follows from others; {@code how} says from which. */
    public Key<T> derived(String how) {
        return new Key<>(name, parse, sentence, defaultText, how, shown, isReloadable);
    }

    /** Its value is never printed. */
    public Key<T> secret() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.NEVER, isReloadable);
    }

    /** Its value may be an address with a password in it, which is never printed. */
    public Key<T> mayHoldPassword() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.REDACTED, isReloadable);
    }

    /** Its value is the name of a file that the program reads again and again. */
    public Key<T> fileName() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.FILE_NAME, isReloadable);
    }

    /** A change is taken on SIGHUP. */
    public Key<T> reloadable() {
        return new Key<>(name, parse, sentence, defaultText, derived, shown, true);
    }

    /** In the environment and in the properties file. */
    public String name() {
        return name;
    }

    /** The name of the setting that names the file in which the value stands. */
    public String nameOfFile() {
        return name + "_FILE";
    }

    T parse(String text) {
        return parse.apply(text);
    }

    /** For the docs. */
    public String sentence() {
        return sentence;
    }

    /** As one would write it; null if there is none. */
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

    /** Whether its value, or a part of it, is never printed. */
    public boolean isSecret() {
        return shown == Shown.NEVER || shown == Shown.REDACTED;
    }

    /** Whether a change is taken on SIGHUP. */
    public boolean isReloadable() {
        return isReloadable;
    }

    /** Its name. */
    @Override
    public String toString() {
        return name;
    }

    /** A row for each key: name, default, sentence. For the docs. */
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
