// SPDX-License-Identifier: Apache-2.0

import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;

/**
 * Prints a bill of materials that can be kept: what Maven knows of, and what its libraries carry inside. Of the hashes SHA-256 stays; those of
 * our own modules go, since they change with every line of code.
 */
final class Bill {
    private Bill() {}

    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        ObjectNode bill = (ObjectNode) mapper.readTree(Path.of(args[0]).toFile());
        ArrayNode components = (ArrayNode) bill.get("components");
        components.addAll((ArrayNode) mapper.readTree(Path.of(args[1]).toFile()));
        keepSha256(bill);
        for (JsonNode component : components) {
            ((ObjectNode) component).remove("externalReferences");
            if (component.path("group").asText().equals("dev.flk")) {
                ((ObjectNode) component).remove("hashes");
            }
        }
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter();
        DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
        printer.indentObjectsWith(indenter);
        printer.indentArraysWith(indenter);
        System.out.write((mapper.writer(printer).writeValueAsString(bill) + "\n").getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    private static void keepSha256(JsonNode node) {
        for (Iterator<JsonNode> hashes = node.path("hashes").elements(); hashes.hasNext(); ) {
            if (!hashes.next().get("alg").asText().equals("SHA-256")) {
                hashes.remove();
            }
        }
        node.forEach(Bill::keepSha256);
    }
}
