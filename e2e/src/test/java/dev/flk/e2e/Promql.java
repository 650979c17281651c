// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The metrics and labels that a PromQL query is about. It reads the part of the language that rules, dashboards and docs of ours use,
 * and refuses the rest, so that nothing in a query goes unread.
 */
final class Promql {
    private static final Pattern TOKEN = Pattern.compile(
            "\\s*(?:offset [0-9]+[smhd]\\b|\"(?:[^\"\\\\]|\\\\.)*\"|\\[[^\\[\\]]*]|[a-zA-Z_:][a-zA-Z0-9_:]*"
                    + "|[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![a-zA-Z0-9_.])"
                    + "|=~|!~|!=|==|>=|<=|[-+*/=><(){},])\\s*");
    private static final Pattern NAME = Pattern.compile("[a-zA-Z_:].*");
    private static final Pattern RANGE = Pattern.compile("\\[(?:\\$__rate_interval|[0-9]+[smhd](?::[0-9]+[smhd])?)]");
    private static final Set<String> FUNCTIONS = Set.of(
            "absent",
            "avg_over_time",
            "changes",
            "clamp_min",
            "histogram_quantile",
            "increase",
            "max_over_time",
            "min_over_time",
            "predict_linear",
            "present_over_time",
            "rate",
            "sort",
            "sort_desc",
            "time");
    private static final Set<String> AGGREGATIONS = Set.of("sum", "min", "max", "avg", "count", "topk", "bottomk");
    private static final Set<String> REDUCING = Set.of("sum", "min", "max", "avg", "count");
    private static final Set<String> OPERATORS = Set.of("and", "or", "unless", "bool");

    /** What Prometheus adds to every sample. */
    private static final Set<String> ADDED = Set.of("job", "instance");

    private final String query;
    private final List<String> tokens = new ArrayList<>();
    private final List<Use> uses = new ArrayList<>();
    private final Set<String> joinedOn = new TreeSet<>();
    private final Set<String> kept = new TreeSet<>();
    private boolean reduces;
    private int next;

    /** A metric with the values that it is asked for by label, quotes taken off, and the labels that it is grouped by. */
    record Use(String metric, Map<String, String> selected, Set<String> groupedBy) {}

    private Promql(String query) {
        this.query = query;
    }

    /** @throws AssertionError naming what it does not understand */
    static Promql read(String query) {
        Promql read = new Promql(query);
        read.tokenize();
        read.walk();
        return read;
    }

    List<Use> uses() {
        return uses;
    }

    /** What in it the programs do not have; empty if all is there. */
    List<String> missingFrom(Exposed exposed) {
        List<String> missing = new ArrayList<>();
        if (uses.isEmpty()) {
            missing.add("no metric in " + query);
        }
        for (Use use : uses) {
            if (!exposed.hasSample(use.metric())) {
                missing.add("no metric " + use.metric());
                continue;
            }
            Set<String> labels = new TreeSet<>(use.selected().keySet());
            labels.addAll(use.groupedBy());
            labels.addAll(joinedOn);
            labels.removeAll(ADDED);
            for (String label : labels) {
                if (exposed.values(use.metric(), label).isEmpty()) {
                    missing.add("no label " + label + " of " + use.metric());
                }
            }
            use.selected().forEach((label, value) -> {
                if (!ADDED.contains(label)
                        && !exposed.values(use.metric(), label).containsAll(alternatives(value))) {
                    missing.add("no " + use.metric() + " with " + label + "=" + value);
                }
            });
        }
        return missing;
    }

    /** Whether each sample of its result has this label. */
    boolean keeps(String label, Exposed exposed) {
        if (reduces) {
            return kept.contains(label);
        }
        return ADDED.contains(label)
                || uses.stream()
                        .allMatch(use -> !exposed.values(use.metric(), label).isEmpty());
    }

    private static List<String> alternatives(String value) {
        return List.of(value.split("\\|", -1));
    }

    private void tokenize() {
        Matcher token = TOKEN.matcher(query);
        while (token.regionStart() < query.length()) {
            if (!token.lookingAt()) {
                throw new AssertionError("what is " + query.substring(token.regionStart()) + " in " + query);
            }
            tokens.add(token.group().strip());
            token.region(token.end(), query.length());
        }
    }

    private void walk() {
        Deque<Set<String>> groups = new ArrayDeque<>();
        Set<String> announced = Set.of();
        while (next < tokens.size()) {
            String token = tokens.get(next++);
            if (token.equals("(")) {
                groups.push(announced);
                announced = Set.of();
            } else if (token.equals(")")) {
                if (groups.isEmpty()) {
                    throw new AssertionError("a ) too many in " + query);
                }
                groups.pop();
            } else if (token.startsWith("[")) {
                require(RANGE.matcher(token).matches(), "the range " + token);
            } else if (token.equals("{") || token.equals("}") || token.startsWith("\"")) {
                require(false, token + " without a metric");
            } else if (token.startsWith("offset ")) {
                require(next > 1 && !isOperator(tokens.get(next - 2)), token + " of nothing");
            } else if (token.equals("on")) {
                joinedOn.addAll(labels());
            } else if (AGGREGATIONS.contains(token)) {
                reduces |= REDUCING.contains(token);
                if (peek().equals("by")) {
                    next++;
                    announced = labels();
                    kept.addAll(announced);
                }
                require(peek().equals("("), token + " without its by (…) before what it is over");
            } else if (isWord(token) && peek().equals("(")) {
                require(FUNCTIONS.contains(token), "the function " + token);
            } else if (isWord(token)) {
                require(!token.equals("offset"), "offset without a time");
                Set<String> groupedBy = new TreeSet<>();
                groups.forEach(groupedBy::addAll);
                uses.add(new Use(token, selection(), groupedBy));
            }
        }
        require(groups.isEmpty(), "the end, a ) is missing,");
    }

    private static boolean isOperator(String token) {
        return OPERATORS.contains(token) || token.matches("[-+*/=><!(,]=?");
    }

    private static boolean isWord(String token) {
        return NAME.matcher(token).matches() && !OPERATORS.contains(token);
    }

    private String peek() {
        return next < tokens.size() ? tokens.get(next) : "";
    }

    private String take() {
        require(next < tokens.size(), "the end");
        return tokens.get(next++);
    }

    /** {@code (a, b)}. */
    private Set<String> labels() {
        Set<String> labels = new TreeSet<>();
        require(take().equals("("), "a list of labels without (");
        for (String token = take(); !token.equals(")"); token = take()) {
            if (!token.equals(",")) {
                labels.add(token);
            }
        }
        return labels;
    }

    /** {@code {a="b", c=~"d"}}, if it comes next. */
    private Map<String, String> selection() {
        Map<String, String> selected = new LinkedHashMap<>();
        if (!peek().equals("{")) {
            return selected;
        }
        next++;
        for (String label = take(); !label.equals("}"); label = take()) {
            if (label.equals(",")) {
                continue;
            }
            String sign = take();
            require(Set.of("=", "=~", "!=", "!~").contains(sign), "the sign " + sign);
            String value = take();
            require(value.startsWith("\""), "the value " + value);
            require(
                    selected.put(label, value.substring(1, value.length() - 1)) == null,
                    label + " asked for a second time");
        }
        return selected;
    }

    private void require(boolean understood, String what) {
        if (!understood) {
            throw new AssertionError(what + " is not understood in " + query);
        }
    }
}
