// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.flk.state.Schemas.Compiled;
import dev.flk.state.Schemas.Violation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A compiled schema. A check reads the tokens of a value once, and stops at the first violation.
 *
 * @param types the types that a value may have
 * @param allowed sets of scalars; a value must be in each of them. Numbers are {@linkplain #comparable comparable}, and
 *     {@link JsonToken#VALUE_NULL} is null
 * @param required the names that an object must have
 * @param others the schema of the members of an object that {@code properties} does not name
 */
record ValueSchema(
        Set<JsonType> types,
        List<Set<Object>> allowed,
        Map<Limit, BigDecimal> limits,
        Map<Length, Long> lengths,
        Set<String> required,
        Map<String, ValueSchema> properties,
        @Nullable ValueSchema others,
        @Nullable ValueSchema items)
        implements Compiled {
    ValueSchema {
        types = Set.copyOf(types);
        allowed = List.copyOf(allowed);
        limits = Map.copyOf(limits);
        lengths = Map.copyOf(lengths);
        required = Set.copyOf(required);
        properties = Map.copyOf(properties);
    }

    /** The maximum number of digits of a number that is compared. */
    static final int MOST_DIGITS = 400;

    /** The maximum length of a number's text, which may have leading and trailing zeros. */
    private static final int MOST_NUMBER_CHARS = 1_000;

    private static final int MOST_SHOWN_CHARS = 200;
    private static final int MOST_PATH_CHARS = 1_000;

    static final ValueSchema ANYTHING = ofTypes(EnumSet.allOf(JsonType.class));
    static final ValueSchema NOTHING = ofTypes(EnumSet.noneOf(JsonType.class));

    // the length of a number is checked only where a schema compares it; the state bounds the length of a value
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private static ValueSchema ofTypes(Set<JsonType> types) {
        return new ValueSchema(types, List.of(), Map.of(), Map.of(), Set.of(), Map.of(), null, null);
    }

    /** A type of values; every integer is also a number. */
    enum JsonType {
        NULL,
        BOOLEAN,
        INTEGER,
        NUMBER,
        STRING,
        ARRAY,
        OBJECT;

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** A limit of numbers. */
    enum Limit {
        MINIMUM("minimum", "at least"),
        MAXIMUM("maximum", "at most"),
        EXCLUSIVE_MINIMUM("exclusiveMinimum", "more than"),
        EXCLUSIVE_MAXIMUM("exclusiveMaximum", "less than");

        private final String keyword;
        private final String words;

        Limit(String keyword, String words) {
            this.keyword = keyword;
            this.words = words;
        }

        boolean allows(BigDecimal number, BigDecimal limit) {
            int compared = number.compareTo(limit);
            return switch (this) {
                case MINIMUM -> compared >= 0;
                case MAXIMUM -> compared <= 0;
                case EXCLUSIVE_MINIMUM -> compared > 0;
                case EXCLUSIVE_MAXIMUM -> compared < 0;
            };
        }

        @Override
        public String toString() {
            return keyword;
        }
    }

    /** A limit of the code points of a text, or of the elements of an array. */
    enum Length {
        MIN_LENGTH("minLength"),
        MAX_LENGTH("maxLength"),
        MIN_ITEMS("minItems"),
        MAX_ITEMS("maxItems");

        private final String keyword;

        Length(String keyword) {
            this.keyword = keyword;
        }

        @Override
        public String toString() {
            return keyword;
        }
    }

    /** Returns a number such that equal numbers have equal objects: 1, 1.0 and 10e-1. */
    static BigDecimal comparable(BigDecimal number) {
        return number.stripTrailingZeros();
    }

    /** Returns a name as a part of a JSON Pointer. */
    static String escaped(String name) {
        return name.replace("~", "~0").replace("/", "~1");
    }

    /** Returns the beginning of a text that may be too long for a message. */
    static String shown(String text) {
        return text.length() <= MOST_SHOWN_CHARS
                ? text
                : text.substring(0, MOST_SHOWN_CHARS) + "… (" + text.length() + " characters)";
    }

    @Override
    public Optional<Violation> violation(String json) {
        try (JsonParser value = JSON.createParser(json)) {
            value.nextToken();
            return Optional.ofNullable(check(value)).map(ValueSchema::bounded);
        } catch (JsonProcessingException e) {
            return Optional.of(new Violation("", "can't be read: " + e.getOriginalMessage()));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // not expected: the value is a text
        }
    }

    private static Violation bounded(Violation found) {
        String path = found.path();
        return path.length() <= MOST_PATH_CHARS
                ? found
                : new Violation(path.substring(0, MOST_PATH_CHARS) + "…", found.message());
    }

    /** Checks the value whose first token is the current one; if it is valid, its last token is the current one then. */
    private @Nullable Violation check(JsonParser value) throws IOException {
        return switch (value.currentToken()) {
            case START_OBJECT -> first(container(JsonType.OBJECT), () -> object(value));
            case START_ARRAY -> first(container(JsonType.ARRAY), () -> array(value));
            case VALUE_STRING -> text(value.getText());
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> number(value.getText());
            case VALUE_NULL -> first(typed(JsonType.NULL), () -> allowed(JsonToken.VALUE_NULL));
            default -> first(typed(JsonType.BOOLEAN), () -> allowed(value.getBooleanValue()));
        };
    }

    private interface Check {
        @Nullable
        Violation run() throws IOException;
    }

    private static @Nullable Violation first(@Nullable Violation violation, Check otherwise) throws IOException {
        return violation == null ? otherwise.run() : violation;
    }

    private static Violation must(String what) {
        return new Violation("", "must " + what);
    }

    private static Violation at(String name, Violation found) {
        return new Violation("/" + escaped(shown(name)) + found.path(), found.message());
    }

    private @Nullable Violation typed(JsonType type) {
        if (types.contains(type) || (type == JsonType.INTEGER && types.contains(JsonType.NUMBER))) {
            return null;
        }
        return types.isEmpty()
                ? must("be absent: the schema allows no value")
                : must("be of type "
                        + types.stream().sorted().map(JsonType::toString).collect(Collectors.joining(" or "))
                        + ", but is of type " + type);
    }

    private @Nullable Violation container(JsonType type) {
        Violation violation = typed(type);
        return violation == null && !allowed.isEmpty() ? notAllowed() : violation;
    }

    private @Nullable Violation allowed(Object scalar) {
        return allowed.stream().allMatch(values -> values.contains(scalar)) ? null : notAllowed();
    }

    private Violation notAllowed() {
        return must("be one of "
                + shown(allowed.get(0).stream()
                        .map(each -> each instanceof String text
                                ? "\"" + text + "\""
                                : each == JsonToken.VALUE_NULL ? "null" : each.toString())
                        .sorted()
                        .collect(Collectors.joining(", "))));
    }

    private @Nullable Violation text(String text) throws IOException {
        return first(
                typed(JsonType.STRING),
                () -> first(
                        allowed(text),
                        () -> lengths.isEmpty()
                                ? null
                                : length(
                                        text.codePointCount(0, text.length()),
                                        Length.MIN_LENGTH,
                                        Length.MAX_LENGTH,
                                        "characters")));
    }

    private @Nullable Violation length(long found, Length min, Length max, String unit) {
        Long least = lengths.get(min);
        if (least != null && found < least) {
            return must("have at least " + least + " " + unit + ", but has " + found);
        }
        Long most = lengths.get(max);
        return most != null && found > most ? must("have at most " + most + " " + unit + ", but has " + found) : null;
    }

    private @Nullable Violation number(String text) throws IOException {
        if (types.contains(JsonType.NUMBER) && limits.isEmpty() && allowed.isEmpty()) {
            return null;
        }
        if (text.length() > MOST_NUMBER_CHARS) {
            return must("have at most " + MOST_DIGITS + " digits");
        }
        try {
            return number(text, comparable(new BigDecimal(text)));
        } catch (ArithmeticException | NumberFormatException e) {
            return must("not have so large an exponent");
        }
    }

    private @Nullable Violation number(String text, BigDecimal number) throws IOException {
        if (number.precision() > MOST_DIGITS) {
            return must("have at most " + MOST_DIGITS + " digits");
        }
        Violation violation =
                first(typed(number.scale() <= 0 ? JsonType.INTEGER : JsonType.NUMBER), () -> allowed(number));
        for (Limit limit : Limit.values()) {
            BigDecimal bound = limits.get(limit);
            if (violation == null && bound != null && !limit.allows(number, bound)) {
                violation = must("be " + limit.words + " " + shown(bound.toString()) + ", but is " + shown(text));
            }
        }
        return violation;
    }

    private @Nullable Violation object(JsonParser value) throws IOException {
        Set<String> missing = new HashSet<>(required);
        while (value.nextToken() != JsonToken.END_OBJECT) {
            String name = value.currentName();
            missing.remove(name);
            value.nextToken();
            ValueSchema named = properties.get(name);
            ValueSchema schema = named != null ? named : others;
            Violation violation = schema == null ? skipped(value) : schema.check(value);
            if (violation != null) {
                return at(name, violation);
            }
        }
        return missing.isEmpty()
                ? null
                : must("have a member " + shown(missing.stream().sorted().collect(Collectors.joining(", "))));
    }

    private @Nullable Violation array(JsonParser value) throws IOException {
        long count = 0;
        while (value.nextToken() != JsonToken.END_ARRAY) {
            Violation violation = items == null ? skipped(value) : items.check(value);
            if (violation != null) {
                return at(Long.toString(count), violation);
            }
            count++;
        }
        return length(count, Length.MIN_ITEMS, Length.MAX_ITEMS, "elements");
    }

    private static @Nullable Violation skipped(JsonParser value) throws IOException {
        value.skipChildren();
        return null;
    }
}
