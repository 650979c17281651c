// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The command of {@code WAL_ARCHIVE_COMMAND}: a program and its arguments, in which {@code %p} is replaced by the path
 * of the file to store, {@code %f} by its name in the archive, and {@code %%} by a percent sign. The text is split into
 * words as a shell does, with {@code '…'}, {@code "…"} and {@code \}, but no shell runs the command: a path with spaces
 * or quotes stays one word.
 *
 * @param words the words before the replacement, at least one
 */
public record ArchiveCommand(List<String> words) {
    /** Characters that only a shell understands. In double quotes, a shell still understands the last two. */
    private static final String OF_A_SHELL = "|&;<>()$`";

    private static final String OF_A_SHELL_IN_QUOTES = "$`";

    /** Copies the list. */
    public ArchiveCommand {
        words = List.copyOf(words);
    }

    /**
     * Parses a command.
     *
     * @throws IllegalArgumentException if the text is not a command, or {@code %p} or {@code %f} is missing; the message
     *     completes "the value is …"
     */
    public static ArchiveCommand parse(String text) {
        ArchiveCommand command = new ArchiveCommand(split(text));
        boolean hasPath = false;
        boolean hasName = false;
        for (String word : command.words) {
            for (int i = word.indexOf('%'); i >= 0; i = word.indexOf('%', i + 2)) {
                char next = i + 1 < word.length() ? word.charAt(i + 1) : ' ';
                hasPath |= next == 'p';
                hasName |= next == 'f';
                if (next != 'p' && next != 'f' && next != '%') {
                    throw invalid("'" + ("%" + next).strip() + "' is unknown; write %% for a percent sign");
                }
            }
        }
        if (!hasPath) {
            throw invalid("%p, the path of the file to store, is missing");
        }
        if (!hasName) {
            throw invalid("%f, the name in the archive, is missing");
        }
        return command;
    }

    private static List<String> split(String text) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean isInWord = false;
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote == '\'' ? c == '\'' : c == '"' && quote == '"') {
                quote = 0;
            } else if (quote == '\'') {
                word.append(c);
            } else if (c == '\\') {
                i++;
                if (i == text.length()) {
                    throw invalid("the backslash at its end quotes nothing");
                }
                char quoted = text.charAt(i);
                boolean isKept = quote == '"' && "\"\\$`".indexOf(quoted) < 0;
                word.append(isKept ? "\\" : "").append(quoted);
                isInWord = true;
            } else if ((quote == 0 ? OF_A_SHELL : OF_A_SHELL_IN_QUOTES).indexOf(c) >= 0) {
                throw invalid("no shell runs it, which would understand " + c
                        + "; quote it with ' or \\, or write sh -c '…' sh %p %f");
            } else if (quote == 0 && (c == '\'' || c == '"')) {
                quote = c;
                isInWord = true;
            } else if (quote == 0 && Character.isWhitespace(c)) {
                if (isInWord) {
                    words.add(word.toString());
                }
                word.setLength(0);
                isInWord = false;
            } else {
                word.append(c);
                isInWord = true;
            }
        }
        if (quote != 0) {
            throw invalid("a quote that begins with " + quote + " does not end");
        }
        if (isInWord) {
            words.add(word.toString());
        }
        return words;
    }

    private static IllegalArgumentException invalid(String why) {
        return new IllegalArgumentException("not a command: " + why);
    }

    /** Returns the words of the command for a file. */
    List<String> words(Path file, String name) {
        List<String> replaced = new ArrayList<>();
        for (String word : words) {
            StringBuilder text = new StringBuilder();
            int from = 0;
            for (int i = word.indexOf('%'); i >= 0; i = word.indexOf('%', from)) {
                text.append(word, from, i);
                text.append(
                        switch (word.charAt(i + 1)) {
                            case 'p' -> file.toAbsolutePath().toString();
                            case 'f' -> name;
                            default -> "%";
                        });
                from = i + 2;
            }
            replaced.add(text.append(word, from, word.length()).toString());
        }
        return replaced;
    }
}
