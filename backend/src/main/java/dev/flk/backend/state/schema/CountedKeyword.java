// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.ExecutionContext;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaContext;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.dialect.Dialect;
import com.networknt.schema.keyword.Keyword;
import com.networknt.schema.keyword.KeywordType;
import com.networknt.schema.keyword.KeywordValidator;
import com.networknt.schema.path.NodePath;
import java.util.List;
import java.util.Set;

/**
 * A keyword whose evaluations count as steps. An evaluation counts in proportion to the time that the library needs for
 * this keyword alone; the keywords of subschemas count for themselves.
 */
final class CountedKeyword implements Keyword {
    /** The steps to construct one keyword, which needs more memory than an evaluation. */
    private static final int CONSTRUCTION_STEPS = 200;

    private static final int CHARS_A_STEP = 64;
    /** The number of names that are looked up, or of enclosing schemas that are searched, in one step. */
    private static final int LOOKUPS_A_STEP = 8;

    private static final int DIVISION_STEPS = 50;
    /** The steps for each part of a value that is compared with many others. */
    private static final int COMPARISON_STEPS = 10;

    /** The keywords that go through the entries of their own value, or print that value if they are violated. */
    private static final Set<String> OF_OWN_SIZE = Set.of(
            "const",
            "enum",
            "not",
            "contains",
            "properties",
            "patternProperties",
            "required",
            "dependentRequired",
            "dependentSchemas",
            "type");
    /** The keywords that go through the entries of the checked value. */
    private static final Set<String> OF_ENTRIES = Set.of(
            "items",
            "prefixItems",
            "contains",
            "patternProperties",
            "additionalProperties",
            "propertyNames",
            "dependentRequired",
            "dependentSchemas",
            "unevaluatedItems",
            "unevaluatedProperties");
    /** The keywords that go through the complete checked value. */
    private static final Set<String> OF_VALUE = Set.of("const", "minLength", "maxLength");
    /** The keywords that compare the complete checked value with many others. */
    private static final Set<String> OF_COMPARISONS = Set.of("enum", "uniqueItems");

    private final Keyword keyword;

    private CountedKeyword(Keyword keyword) {
        this.keyword = keyword;
    }

    /** Returns a dialect whose keywords are counted, except {@code format}, which is not evaluated. */
    static Dialect of(Dialect dialect) {
        List<Keyword> keywords = dialect.getKeywords().values().stream()
                .filter(keyword -> !keyword.getValue().equals(KeywordType.FORMAT.getValue()))
                .<Keyword>map(CountedKeyword::new)
                .toList();
        return Dialect.builder(dialect).keywords(keywords).build();
    }

    @Override
    public String getValue() {
        return keyword.getValue();
    }

    @Override
    public KeywordValidator newValidator(SchemaLocation location, JsonNode own, Schema parent, SchemaContext context)
            throws Exception {
        String name = keyword.getValue();
        boolean isOfOwnSize = OF_OWN_SIZE.contains(name);
        Metered.current().takeForConstruction(CONSTRUCTION_STEPS + (isOfOwnSize ? size(own) : 0));
        KeywordValidator validator = keyword.newValidator(location, own, parent, context);
        return new Counted(name, validator, isOfOwnSize ? size(own, name) : 0);
    }

    /** Returns the size of what an evaluation goes through: of subschemas only their number, because they count themselves. */
    private static long size(JsonNode own, String name) {
        return name.equals("properties") || name.equals("patternProperties") || name.equals("dependentSchemas")
                ? own.size() / LOOKUPS_A_STEP
                : size(own);
    }

    /** Returns the number of values within a value, plus a share for long texts. */
    private static long size(JsonNode value) {
        long size = 1;
        if (value.isTextual()) {
            size += value.textValue().length() / CHARS_A_STEP;
        }
        if (value.isObject()) {
            size += value.size();
        }
        for (JsonNode entry : value) {
            size += size(entry);
        }
        return size;
    }

    private static final class Counted implements KeywordValidator {
        private final String name;
        private final KeywordValidator validator;
        private final long ownSize;
        private final boolean isOfEntries;
        private final boolean isOfValue;
        private final boolean isOfComparisons;

        Counted(String name, KeywordValidator validator, long ownSize) {
            this.name = name;
            this.validator = validator;
            this.ownSize = ownSize;
            this.isOfEntries = OF_ENTRIES.contains(name);
            this.isOfValue = OF_VALUE.contains(name);
            this.isOfComparisons = OF_COMPARISONS.contains(name);
        }

        @Override
        public void validate(ExecutionContext execution, JsonNode value, JsonNode root, NodePath path) {
            Metered metered = (Metered) execution;
            metered.take(steps(metered, value, path));
            metered.enter();
            try {
                validator.validate(execution, value, root, path);
            } finally {
                metered.leave();
            }
        }

        private long steps(Metered metered, JsonNode value, NodePath path) {
            long steps = 1 + ownSize;
            if (isOfEntries) {
                steps += value.size();
            }
            if (isOfValue) {
                steps += size(value);
            }
            if (isOfComparisons) {
                steps += COMPARISON_STEPS * size(value);
            }
            if (name.equals("multipleOf")) {
                steps += DIVISION_STEPS;
            }
            if (name.equals("$dynamicRef")) {
                steps += metered.depth() / LOOKUPS_A_STEP; // the library looks for the anchor in all enclosing schemas
            }
            if (metered.isUnevaluatedPropertiesPresent() || metered.isUnevaluatedItemsPresent()) {
                // the library looks for these keywords in the enclosing schemas, and reads the annotations of the value
                List<?> annotations = metered.getAnnotations().asMap().get(path);
                steps += metered.depth() / LOOKUPS_A_STEP + (annotations == null ? 0 : annotations.size());
            }
            return steps;
        }

        @Override
        public void preloadSchema() {
            Metered metered = Metered.current();
            metered.takeForConstruction(1);
            metered.enter();
            try {
                validator.preloadSchema();
            } finally {
                metered.leave();
            }
        }

        @Override
        public String getKeyword() {
            return validator.getKeyword();
        }

        @Override
        public SchemaLocation getSchemaLocation() {
            return validator.getSchemaLocation();
        }
    }
}
