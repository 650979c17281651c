// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.MessageSourceError;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaContext;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.dialect.Dialect;
import com.networknt.schema.dialect.Dialects;
import com.networknt.schema.keyword.AbstractKeyword;
import com.networknt.schema.keyword.BaseKeywordValidator;
import com.networknt.schema.keyword.KeywordType;
import com.networknt.schema.keyword.KeywordValidator;
import com.networknt.schema.keyword.NonValidationKeyword;
import com.networknt.schema.path.NodePath;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

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
                .keyword(new Enumeration())
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
            return new BaseKeywordValidator(KeywordType.MULTIPLE_OF, divisor, location, parent, context) {
                @Override
                public void validate(ExecutionContext execution, JsonNode value, JsonNode root, NodePath path) {
                    if (value.isNumber() && !isMultiple(value.decimalValue(), divisor.decimalValue())) {
                        execution.addError(violation(error(), execution, value, path)
                                .arguments(divisor.asText())
                                .build());
                    }
                }
            };
        }

        /** Compares integers, because the remainder of long decimals takes a thousand times as long. */
        private static boolean isMultiple(BigDecimal number, BigDecimal divisor) {
            int scale = Math.max(0, Math.max(number.scale(), divisor.scale()));
            BigInteger remainder = number.setScale(scale)
                    .unscaledValue()
                    .mod(divisor.setScale(scale).unscaledValue());
            return remainder.signum() == 0;
        }
    }

    /**
     * The keyword uniqueItems. The library also applies this keyword to the property values of an object, and is slow
     * for items with the same hash code.
     */
    private static final class UniqueItems extends AbstractKeyword {
        UniqueItems() {
            super(KeywordType.UNIQUE_ITEMS.getValue());
        }

        @Override
        public KeywordValidator newValidator(
                SchemaLocation location, JsonNode unique, Schema parent, SchemaContext context) {
            return new BaseKeywordValidator(KeywordType.UNIQUE_ITEMS, unique, location, parent, context) {
                @Override
                public void validate(ExecutionContext execution, JsonNode value, JsonNode root, NodePath path) {
                    if (value.isArray() && unique.booleanValue() && texts(value).size() < value.size()) {
                        execution.addError(
                                violation(error(), execution, value, path).build());
                    }
                }
            };
        }
    }

    /**
     * The keyword enum. The library distinguishes equal numbers within objects, and is slow for values with the same
     * hash code.
     */
    private static final class Enumeration extends AbstractKeyword {
        Enumeration() {
            super(KeywordType.ENUM.getValue());
        }

        @Override
        public KeywordValidator newValidator(
                SchemaLocation location, JsonNode allowed, Schema parent, SchemaContext context) {
            Set<String> texts = texts(allowed);
            return new BaseKeywordValidator(KeywordType.ENUM, allowed, location, parent, context) {
                @Override
                public void validate(ExecutionContext execution, JsonNode value, JsonNode root, NodePath path) {
                    if (!texts.contains(text(value))) {
                        execution.addError(violation(error(), execution, value, path)
                                .arguments(allowed.toString())
                                .build());
                    }
                }
            };
        }
    }

    private static MessageSourceError.Builder violation(
            MessageSourceError.Builder error, ExecutionContext execution, JsonNode value, NodePath path) {
        return error.instanceNode(value)
                .instanceLocation(path)
                .evaluationPath(execution.getEvaluationPath())
                .locale(execution.getExecutionConfig().getLocale());
    }

    /** Returns the different texts of values. Texts can be ordered, so that equal hash codes cost little. */
    private static Set<String> texts(JsonNode values) {
        Set<String> texts = new HashSet<>();
        values.forEach(value -> texts.add(text(value)));
        return texts;
    }

    /** Returns a text that equal values share: equal numbers, and objects with equal members in any order. */
    private static String text(JsonNode value) {
        StringBuilder text = new StringBuilder();
        append(value, text);
        return text.toString();
    }

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
