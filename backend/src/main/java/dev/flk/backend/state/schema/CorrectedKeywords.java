// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaContext;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.dialect.Dialect;
import com.networknt.schema.dialect.Dialects;
import com.networknt.schema.keyword.AbstractKeyword;
import com.networknt.schema.keyword.KeywordType;
import com.networknt.schema.keyword.KeywordValidator;
import com.networknt.schema.keyword.MultipleOfValidator;
import com.networknt.schema.keyword.NonValidationKeyword;
import com.networknt.schema.keyword.UniqueItemsValidator;
import com.networknt.schema.path.NodePath;
import java.math.BigDecimal;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The keywords of draft 2020-12 that the library does not evaluate as the draft specifies. */
final class CorrectedKeywords {
    private static final List<KeywordType> COUNTS = List.of(
            KeywordType.MIN_LENGTH,
            KeywordType.MAX_LENGTH,
            KeywordType.MIN_ITEMS,
            KeywordType.MAX_ITEMS,
            KeywordType.MIN_PROPERTIES,
            KeywordType.MAX_PROPERTIES);

    private CorrectedKeywords() {}

    /** Returns the draft with these keywords replaced. */
    static Dialect dialect() {
        return Dialect.builder(Dialects.getDraft202012())
                .keyword(new MultipleOf())
                .keyword(new UniqueItems())
                .keywords(COUNTS.stream().map(Count::new).toList())
                // The library rejects every value, even one that is not an array, if minContains exceeds maxContains.
                // The library's keyword "contains" already applies both limits, so these two keywords need no check of
                // their own.
                .keyword(new NonValidationKeyword(KeywordType.MIN_CONTAINS.getValue()))
                .keyword(new NonValidationKeyword(KeywordType.MAX_CONTAINS.getValue()))
                .build();
    }

    /**
     * A keyword that limits a length or a size. The library reads only the lowest 32 bits of the limit, so this class
     * caps the limit at {@link Integer#MAX_VALUE}.
     */
    private static final class Count extends AbstractKeyword {
        private static final BigDecimal MOST = BigDecimal.valueOf(Integer.MAX_VALUE);

        private final KeywordType keyword;

        Count(KeywordType keyword) {
            super(keyword.getValue());
            this.keyword = keyword;
        }

        @Override
        public KeywordValidator newValidator(
                SchemaLocation location, JsonNode limit, Schema parent, SchemaContext context) {
            return keyword.newValidator(
                    location, IntNode.valueOf(limit.decimalValue().min(MOST).intValueExact()), parent, context);
        }
    }

    /** The keyword multipleOf. The library rounds integers to doubles; this class compares exact decimals. */
    private static final class MultipleOf extends AbstractKeyword {
        MultipleOf() {
            super(KeywordType.MULTIPLE_OF.getValue());
        }

        @Override
        public KeywordValidator newValidator(
                SchemaLocation location, JsonNode divisor, Schema parent, SchemaContext context) {
            return new MultipleOfValidator(location, divisor, parent, context) {
                @Override
                protected BigDecimal getDivisor(JsonNode number) {
                    return number.decimalValue();
                }

                @Override
                protected @Nullable BigDecimal getDividend(JsonNode value) {
                    return value.isNumber() ? value.decimalValue() : null;
                }
            };
        }
    }

    /**
     * The keyword uniqueItems. The library also applies this keyword to the property values of an object, and compares
     * all items with the same hash code; this class applies it only to arrays, and compares normalized texts.
     */
    private static final class UniqueItems extends AbstractKeyword {
        UniqueItems() {
            super(KeywordType.UNIQUE_ITEMS.getValue());
        }

        @Override
        public KeywordValidator newValidator(
                SchemaLocation location, JsonNode unique, Schema parent, SchemaContext context) {
            return new UniqueItemsValidator(location, unique, parent, context) {
                @Override
                public void validate(ExecutionContext execution, JsonNode value, JsonNode root, NodePath path) {
                    if (value.isArray() && unique.booleanValue() && !isUnique(value)) {
                        execution.addError(error().instanceNode(value)
                                .instanceLocation(path)
                                .evaluationPath(execution.getEvaluationPath())
                                .locale(execution.getExecutionConfig().getLocale())
                                .build());
                    }
                }
            };
        }

        private static boolean isUnique(JsonNode array) {
            Set<String> items = new HashSet<>(); // of comparable texts, so that equal hash codes cost little
            for (JsonNode item : array) {
                StringBuilder text = new StringBuilder();
                append(item, text);
                if (!items.add(text.toString())) {
                    return false;
                }
            }
            return true;
        }

        /** Appends a text that is the same for equal values only: equal numbers, and objects with equal members. */
        private static void append(JsonNode value, StringBuilder text) {
            if (value.isNumber()) {
                text.append(value.decimalValue().stripTrailingZeros());
            } else if (value.isArray()) {
                text.append('[');
                for (JsonNode item : value) {
                    append(item, text);
                    text.append(',');
                }
                text.append(']');
            } else if (value.isObject()) {
                Map<String, JsonNode> members = new TreeMap<>();
                value.properties().forEach(member -> members.put(member.getKey(), member.getValue()));
                text.append('{');
                members.forEach((name, member) -> {
                    text.append(TextNode.valueOf(name)).append(':');
                    append(member, text);
                    text.append(',');
                });
                text.append('}');
            } else {
                text.append(value);
            }
        }
    }
}
