// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** {@code deploy/docker/Dockerfile}, read as strictly as that file needs; what it has no use for is a mistake. */
record Dockerfile(List<Instruction> before, Map<String, Stage> stages) {
    static final String PATH = "deploy/docker/Dockerfile";

    private static final Pattern INSTRUCTION = Pattern.compile(
            "(ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|RUN|STOPSIGNAL|USER|VOLUME|WORKDIR) +(\\S.*)");
    private static final Pattern FROM = Pattern.compile("(\\S+) AS ([a-z-]+)");
    private static final Pattern PAIR = Pattern.compile("([A-Za-z_.]+)=(?:\"([^\"]*)\"|([^\\s\"]+))\\s*");

    record Instruction(String name, String rest) {}

    /** What stands behind a FROM; the base is another stage, or what the FROM says. */
    record Stage(String base, List<Instruction> instructions) {}

    static Dockerfile read() throws IOException {
        return of(Files.readString(Built.root().resolve(PATH)));
    }

    static Dockerfile of(String text) {
        Dockerfile file = new Dockerfile(new ArrayList<>(), new LinkedHashMap<>());
        List<Instruction> current = file.before;
        for (String line :
                text.replaceAll("(?m)^#.*\n", "").replace("\\\n", " ").split("\n", -1)) {
            if (line.isBlank()) {
                continue;
            }
            Matcher matcher = INSTRUCTION.matcher(line);
            assertThat(matcher.matches()).as("an instruction: %s", line).isTrue();
            Instruction instruction =
                    new Instruction(matcher.group(1), matcher.group(2).strip());
            if (instruction.name.equals("FROM")) {
                Matcher from = FROM.matcher(instruction.rest);
                assertThat(from.matches()).as(line).isTrue();
                current = new ArrayList<>();
                assertThat(file.stages.put(from.group(2), new Stage(from.group(1), current)))
                        .as(line)
                        .isNull();
            } else {
                current.add(instruction);
            }
        }
        return file;
    }

    /** Of a stage and those that it is made from, in their order. */
    List<Instruction> instructions(String target) {
        Stage stage = stages.get(target);
        assertThat(stage).as("a stage %s", target).isNotNull();
        List<Instruction> all = new ArrayList<>(stages.containsKey(stage.base) ? instructions(stage.base) : List.of());
        all.addAll(stage.instructions);
        return all;
    }

    Stream<String> all(String target, String name) {
        return instructions(target).stream()
                .filter(instruction -> instruction.name.equals(name))
                .map(Instruction::rest);
    }

    /** The last one, which counts. */
    String last(String target, String name) {
        return all(target, name).reduce((one, next) -> next).orElseThrow(() -> new AssertionError("no " + name));
    }

    /** The words of an instruction, which must be in the form that needs no shell. */
    List<String> words(String target, String name) {
        String rest = last(target, name).replaceFirst("^(--\\S+ +)*(CMD +)?(?=\\[)", "");
        JsonNode words = StrictJson.read(rest);
        assertThat(words.isArray()).as(rest).isTrue();
        return ComposeFile.texts(words).toList();
    }

    /** Names and values of all instructions of that name. */
    Map<String, String> pairs(String target, String name) {
        Map<String, String> pairs = new LinkedHashMap<>();
        all(target, name).forEach(rest -> {
            Matcher pair = PAIR.matcher(rest);
            int end = 0;
            while (pair.lookingAt()) {
                pairs.put(pair.group(1), pair.group(2) == null ? pair.group(3) : pair.group(2));
                end = pair.end();
                pair.region(end, rest.length());
            }
            assertThat(end).as(rest).isEqualTo(rest.length());
        });
        return pairs;
    }

    /** What is copied, each as the source in the tree and its place in the image. */
    Map<String, String> copies(String target) {
        Map<String, String> copies = new LinkedHashMap<>();
        all(target, "COPY").forEach(rest -> {
            List<String> words = Stream.of(rest.split(" +", -1))
                    .filter(word -> !word.startsWith("--"))
                    .toList();
            String place = words.get(words.size() - 1);
            assertThat(place.endsWith("/") || words.size() == 2).as(rest).isTrue();
            words.subList(0, words.size() - 1)
                    .forEach(source -> copies.put(source, place.endsWith("/") ? place + source : place));
        });
        return copies;
    }
}
