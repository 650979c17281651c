// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the programs can say, as their sources have it: every text in them, joined where it is put together from several. */
final class MessageTemplates {
    /** For what a program puts in its place. */
    private static final String GAP = "\u0000";

    /** Fewer letters than these prove nothing. */
    private static final int MEANINGFUL = 6;

    private static final Pattern LOGGED =
            Pattern.compile("(?i)\\blog(?:ger)?\\s*\\.\\s*(error|warn|info|debug)\\(\\s*$");
    private static final Pattern PLACE = Pattern.compile("\\{}|%[-0-9.]*[a-z]|\\{[0-9]}");

    /** Where readers put what is different each time. */
    private static final Pattern READERS_PLACE = Pattern.compile("…|\\.\\.\\.|<[^>]*>|`");

    private final List<Template> templates = new ArrayList<>();

    /**
     * One text.
     *
     * @param level at which it is logged; empty if it is something else
     * @param parts what stands between its places
     */
    private record Template(String level, List<String> parts) {
        /** How many letters of a text are its own, if it may have been part of what this became; else 0. */
        int ownLettersOf(String text) {
            int most = 0;
            for (int first = 0; first < parts.size(); first++) {
                most = Math.max(most, ownLettersOf(text, parts.subList(first, parts.size())));
            }
            return most;
        }

        private static int ownLettersOf(String text, List<String> parts) {
            int own = 0;
            int at = 0;
            for (String part : parts) {
                if (part.isBlank()) {
                    continue;
                }
                int found = text.indexOf(part, at);
                if (found >= 0) {
                    own += part.length();
                    at = found + part.length();
                } else if (at == 0 && part.contains(text)) {
                    return text.length();
                } else {
                    int overlap = overlap(text, at, part);
                    if (overlap == 0 && own > 0) {
                        return own;
                    }
                    own += overlap;
                    at += overlap;
                }
            }
            return own;
        }

        /** How far the end of the text is the beginning of the part, or the beginning of the text the end of it. */
        private static int overlap(String text, int from, String part) {
            for (int length = Math.min(part.length(), text.length() - from); length > 2; length--) {
                if (text.endsWith(part.substring(0, length))
                        || (from == 0 && text.startsWith(part.substring(part.length() - length)))) {
                    return length;
                }
            }
            return 0;
        }
    }

    /** Of the modules that are the product. */
    static MessageTemplates ofTheProduct() throws IOException {
        MessageTemplates all = new MessageTemplates();
        for (String module : List.of("verifier-core", "wal", "agent", "backend")) {
            try (Stream<Path> files = Files.walk(Built.root().resolve(module).resolve("src/main/java"))) {
                for (Path file :
                        files.filter(each -> each.toString().endsWith(".java")).toList()) {
                    all.add(Files.readString(file));
                }
            }
        }
        return all;
    }

    static MessageTemplates of(String source) {
        MessageTemplates all = new MessageTemplates();
        all.add(source);
        return all;
    }

    /** Whether some program can say this, or a line that has it in it. */
    boolean has(String phrase) {
        return templates.stream().anyMatch(template -> matches(template, phrase));
    }

    /** Whether some program logs this at that level. */
    boolean logs(String phrase, String level) {
        return templates.stream().anyMatch(template -> template.level.equals(level) && matches(template, phrase));
    }

    /** Everything between the places that a reader sees must be the template's for the greater part. */
    private static boolean matches(Template template, String phrase) {
        boolean found = false;
        for (String fragment : READERS_PLACE.split(phrase, -1)) {
            String letters = fragment.strip();
            if (letters.length() < 3) {
                continue;
            }
            int own = template.ownLettersOf(letters);
            if (own * 2 < letters.length() || (letters.length() >= MEANINGFUL && own < MEANINGFUL)) {
                return false;
            }
            found = true;
        }
        return found;
    }

    private void add(String source) {
        int at = 0;
        while (at < source.length()) {
            if (source.startsWith("//", at)) {
                at = end(source, "\n", at);
            } else if (source.startsWith("/*", at)) {
                at = end(source, "*/", at);
            } else if (source.startsWith("'", at)) {
                at += source.charAt(at + 1) == '\\' ? 4 : 3;
            } else if (source.charAt(at) == '"') {
                at = template(source, at);
            } else {
                at++;
            }
        }
    }

    private static int end(String source, String mark, int from) {
        int end = source.indexOf(mark, from);
        return end < 0 ? source.length() : end + mark.length();
    }

    /** Reads from a quote to where the expression ends in which it stands. */
    private int template(String source, int from) {
        Matcher logged = LOGGED.matcher(source.substring(Math.max(0, from - 120), from));
        StringBuilder text = new StringBuilder();
        int at = literal(source, from, text);
        int depth = 0;
        boolean joined = true;
        while (at < source.length()) {
            char c = source.charAt(at);
            if (c == '"') {
                at = literal(source, at, text);
                continue;
            }
            if (source.startsWith("'", at)) {
                at += source.charAt(at + 1) == '\\' ? 4 : 3;
                continue;
            }
            if (c == '(') {
                depth++;
            } else if ((c == ')' || c == ',' || c == ';' || c == ':' || c == '?') && depth == 0) {
                break;
            } else if (c == ')') {
                depth--;
            } else if (c == '+') {
                joined = true;
            } else if (!Character.isWhitespace(c) && joined) {
                text.append(GAP);
                joined = false;
            }
            at++;
        }
        String spoken = PLACE.matcher(text).replaceAll(GAP);
        templates.add(new Template(logged.find() ? logged.group(1) : "", List.of(spoken.split(GAP, -1))));
        return at;
    }

    private static int literal(String source, int from, StringBuilder into) {
        if (source.startsWith("\"\"\"", from)) {
            int end = source.indexOf("\"\"\"", from + 3);
            into.append(source, from + 3, end);
            return end + 3;
        }
        int at = from + 1;
        for (; source.charAt(at) != '"'; at++) {
            if (source.charAt(at) == '\\') {
                at++;
                into.append(source.charAt(at) == 'n' ? '\n' : source.charAt(at));
            } else {
                into.append(source.charAt(at));
            }
        }
        return at + 1;
    }
}
