// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamReadException;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;

/**
 * A value in YAML with its place. Numbers, and words such as {@code no}, are texts as they are written.
 *
 * @param at the place of the value or, in a mapping, of its key
 * @param value a {@link String}, a {@code List<YamlValue>} or a {@code Map<String, YamlValue>}
 */
record YamlValue(JsonLocation at, Object value) {
    private static final YAMLFactory YAML = new YAMLFactory();
    private static final int MOST_LEVELS = 6;
    private static final String QUOTES =
            "; put a text that begins with a sign such as , * # ' or has a colon and a blank" + " in double quotes";

    /** The error for a text that is not YAML, or has what is refused. */
    static final class BadYaml extends Exception {
        private static final long serialVersionUID = 1;

        BadYaml(JsonLocation at, String what) {
            super(place(at) + what);
        }
    }

    static YamlValue read(String text) throws BadYaml {
        try (YAMLParser parser = YAML.createParser(text)) {
            if (parser.nextToken() == null) {
                throw new BadYaml(parser.currentLocation(), "the file is empty");
            }
            YamlValue root = value(parser, parser.currentTokenLocation(), 0);
            if (parser.nextToken() != null) {
                throw new BadYaml(parser.currentTokenLocation(), "the file has a second document; remove it");
            }
            return root;
        } catch (StreamReadException e) {
            if (e.getCause() instanceof MarkedYAMLException syntax) {
                Mark mark = syntax.getProblemMark();
                throw new BadYaml(
                        new JsonLocation(null, -1, mark.getLine() + 1, mark.getColumn() + 1),
                        "is not YAML: " + syntax.getProblem() + QUOTES);
            }
            throw new BadYaml(e.getLocation(), "is not YAML: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new IllegalStateException(e); // a text is read from memory
        }
    }

    private static YamlValue value(YAMLParser parser, JsonLocation at, int level) throws IOException, BadYaml {
        if (parser.isCurrentAlias() || parser.getObjectId() != null) {
            throw new BadYaml(at, "anchors (&) and aliases (*) are not supported" + QUOTES);
        }
        if (level > MOST_LEVELS) {
            throw new BadYaml(at, "the lists or mappings are nested too deeply");
        }
        JsonToken token = parser.currentToken();
        if (token == JsonToken.START_ARRAY) {
            List<YamlValue> items = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                items.add(value(parser, parser.currentTokenLocation(), level + 1));
            }
            return new YamlValue(at, items);
        }
        if (token == JsonToken.START_OBJECT) {
            Map<String, YamlValue> members = new LinkedHashMap<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                JsonLocation place = parser.currentTokenLocation();
                parser.nextToken();
                if (members.put(name, value(parser, place, level + 1)) != null) {
                    throw new BadYaml(place, name + " occurs twice; remove one of them");
                }
            }
            return new YamlValue(at, members);
        }
        if (token == JsonToken.VALUE_NULL) {
            throw new BadYaml(at, "has no value; remove it" + QUOTES);
        }
        return new YamlValue(at, parser.getText());
    }

    static String place(JsonLocation at) {
        return "line " + at.getLineNr() + ", column " + at.getColumnNr() + ": ";
    }

    /** Returns the members of a mapping; none if the value is not a mapping. */
    @SuppressWarnings("unchecked")
    Map<String, YamlValue> mapping() {
        return value instanceof Map<?, ?> map ? (Map<String, YamlValue>) map : Map.of();
    }

    boolean isList() {
        return value instanceof List;
    }

    /** Returns the items of a list; none if the value is not a list. */
    @SuppressWarnings("unchecked")
    List<YamlValue> list() {
        return value instanceof List<?> list ? (List<YamlValue>) list : List.of();
    }

    /** Returns the text, or the texts of a list; none if the value has anything else. */
    List<String> texts() {
        List<YamlValue> values = isList() ? list() : List.of(this);
        return values.stream().allMatch(each -> each.value instanceof String)
                ? values.stream().map(each -> (String) each.value).toList()
                : List.of();
    }
}
