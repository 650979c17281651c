// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The declaration of a setting. Parsing, {@code config check}, the table in the docs and redaction are derived from
 * this declaration. Immutable.
 *
 * @param <T> the type of the setting's value
 * @param name the name in the environment and in the properties file
 * @param parse the parser of values; throws an {@link IllegalArgumentException} for a malformed value
 * @param sentence the description for the docs
 * @param defaultText the default as a user would write it; null if there is no fixed default
 * @param derived a description of how the default is derived from other settings; null if the default is not derived
 * @param isReloadable whether a changed value takes effect on SIGHUP. This flag does not apply the value; the program
 *     must apply the value itself. If the flag is false, the backend reports on SIGHUP that the change needs a restart
 */
public record Key<T>(
        String name,
        Function<String, T> parse,
        String sentence,
        @Nullable String defaultText,
        @Nullable String derived,
        Shown shown,
        boolean isReloadable) {

    /** The way in which the value of a setting is printed. */
    public enum Shown {
        /** The value is shown unchanged. */
        PLAIN,
        /** The value is not shown, only whether it is set. */
        NEVER,
        /** The value may contain a password. It is shown with the password masked, or not at all. */
        REDACTED,
        /**
         * The value is the name of a file that is read later. The name is shown unchanged. The setting {@link
         * Key#nameOfFile} may contain the name of the file instead.
         */
        FILE_NAME
    }

    /**
     * Returns a setting without a default.
     *
     * @param parse a function that parses the value, or throws an {@link IllegalArgumentException} whose message
     *     completes "the value is …", as the parsers of {@link Quantities} do
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

    /** Returns a copy whose value may be an address with a password; the password is never printed. */
    public Key<T> mayHoldPassword() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.REDACTED, isReloadable);
    }

    /** Returns a copy whose value is the name of a file that the program rereads. */
    public Key<T> fileName() {
        return new Key<>(name, parse, sentence, defaultText, derived, Shown.FILE_NAME, isReloadable);
    }

    /** Returns a copy that is marked as {@link #isReloadable}. The program itself must apply a changed value. */
    public Key<T> reloadable() {
        return new Key<>(name, parse, sentence, defaultText, derived, shown, true);
    }

    /** Returns the name of the setting that names a file from which the value is read. */
    public String nameOfFile() {
        return name + "_FILE";
    }

    T parse(String text) {
        return parse.apply(text);
    }

    /** Returns whether the value, or a part of the value, is never printed. */
    public boolean isSecret() {
        return shown == Shown.NEVER || shown == Shown.REDACTED;
    }

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
