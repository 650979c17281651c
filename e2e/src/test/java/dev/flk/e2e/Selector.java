// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A metric that a PromQL expression asks for, and the labels by which it chooses or sums. */
record Selector(String metric, List<Choice> choices) {
    /** A label with the value that is asked for; {@code operator} is one of {@code = != =~ !~}. */
    record Choice(String label, String operator, String value) {
        boolean isMet(Map<String, String> labels) {
            String present = labels.get(label);
            if (present == null) {
                return false;
            }
            return switch (operator) {
                case "=" -> present.equals(value);
                case "!=" -> !present.equals(value);
                case "=~" -> present.matches(value);
                default -> !present.matches(value);
            };
        }
    }

    private static final Set<String> WORDS =
            Set.of("and or unless bool offset sum min max avg count group topk".split(" "));

    /** A range; labels to group by; a number or a duration; a name, with what makes it a function or chooses. */
    private static final Pattern TOKEN = Pattern.compile("\\[[^\\]]*]"
            + "|\\b(?:by|without|on|ignoring|group_left|group_right)\\s*\\((?<labels>[^)]*)\\)"
            + "|[0-9][0-9.]*[a-zA-Z]*"
            + "|(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\\s*(?:(?<function>\\()|\\{(?<choices>[^}]*)})?");

    private static final Pattern CHOICE = Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)\\s*(=~|!~|!=|=)\\s*\"([^\"]*)\"");

    /** All of an expression. */
    static List<Selector> of(String expression) {
        List<Selector> selectors = new ArrayList<>();
        Matcher token = TOKEN.matcher(expression);
        while (token.find()) {
            String name = token.group("name");
            if (name != null && token.group("function") == null && !WORDS.contains(name)) {
                selectors.add(new Selector(name, choices(token.group("choices"))));
            }
        }
        return selectors;
    }

    /** The labels that an expression groups or matches by. */
    static List<String> labels(String expression) {
        List<String> labels = new ArrayList<>();
        Matcher token = TOKEN.matcher(expression);
        while (token.find()) {
            String named = token.group("labels");
            if (named != null && !named.isBlank()) {
                labels.addAll(List.of(named.strip().split("\\s*,\\s*")));
            }
        }
        return labels;
    }

    private static List<Choice> choices(String text) {
        List<Choice> choices = new ArrayList<>();
        Matcher choice = CHOICE.matcher(text == null ? "" : text);
        while (choice.find()) {
            choices.add(new Choice(choice.group(1), choice.group(2), choice.group(3)));
        }
        return choices;
    }
}
