// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A command line as the docs have it, taken apart as far as is needed to hold it to the programs.
 *
 * @param calls each program of it with its arguments, in their order
 */
record ShellCommand(String line, List<Call> calls) {
    private static final Pattern ASSIGNMENT = Pattern.compile("[A-Z_][A-Z0-9_]*=.*");
    private static final Pattern OF_OURS = Pattern.compile("(?:.*/)?flk-(backend|agent)(?:\\.jar)?");

    /** A program with its arguments, quotes taken off. */
    record Call(List<String> words) {
        String program() {
            return words.get(0);
        }
    }

    /** One of our two programs as it is called; the arguments are those behind its name. */
    record Ours(String program, List<String> arguments) {}

    static ShellCommand of(String line) {
        List<Call> calls = new ArrayList<>();
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean begun = false;
        char quote = 0;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (quote != 0) {
                if (c == quote) {
                    quote = 0;
                } else {
                    word.append(c);
                }
            } else if (c == '\'' || c == '"') {
                quote = c;
                begun = true;
            } else if (Character.isWhitespace(c) || c == '|' || c == ';' || (c == '&' && !isRedirection(line, i))) {
                if (begun || word.length() > 0) {
                    words.add(word.toString());
                }
                word.setLength(0);
                begun = false;
                if (!Character.isWhitespace(c)) {
                    addCall(calls, words);
                    words = new ArrayList<>();
                }
            } else if (c == '#' && word.length() == 0 && !begun) {
                break;
            } else {
                word.append(c);
            }
        }
        if (begun || word.length() > 0) {
            words.add(word.toString());
        }
        addCall(calls, words);
        return new ShellCommand(line, calls);
    }

    private static boolean isRedirection(String line, int at) {
        return at > 0 && line.charAt(at - 1) == '>';
    }

    private static void addCall(List<Call> calls, List<String> words) {
        List<String> left = new ArrayList<>(words);
        while (!left.isEmpty()
                && (ASSIGNMENT.matcher(left.get(0)).matches() || left.get(0).equals("!"))) {
            left.remove(0);
        }
        if (!left.isEmpty() && left.get(0).equals("sudo")) {
            left.remove(0);
            if (!left.isEmpty() && left.get(0).equals("-u")) {
                left.subList(0, 2).clear();
            }
        }
        if (!left.isEmpty()) {
            calls.add(new Call(List.copyOf(left)));
        }
    }

    /** Our own programs in it, whatever way they are called. */
    List<Ours> ours() {
        List<Ours> ours = new ArrayList<>();
        for (Call call : calls) {
            List<String> words = call.words();
            boolean script = words.get(0).equals("./flk") || words.get(0).equals("flk");
            if (script && words.size() > 1 && List.of("backend", "agent").contains(words.get(1))) {
                ours.add(new Ours(words.get(1), words.subList(2, words.size())));
                continue;
            }
            for (int i = 0; i < words.size(); i++) {
                var named = OF_OURS.matcher(words.get(i));
                boolean called = i == 0
                        || words.get(i - 1).equals("-jar")
                        || words.get(0).equals("watch");
                if (called && named.matches()) {
                    ours.add(new Ours(named.group(1), words.subList(i + 1, words.size())));
                    break;
                }
            }
        }
        return ours;
    }
}
