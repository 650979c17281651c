// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Manifests.Pod;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A rendered pod without a cluster: its volumes are directories with the rendered files, and the program of its container runs in an
 * empty directory, with the rendered arguments and environment in which the paths of the mounts are those directories.
 */
final class PodOnThisMachine {
    private final Pod pod;
    private final Map<String, Path> mounts = new LinkedHashMap<>();
    private final Path workingDirectory;

    private PodOnThisMachine(Pod pod, Path workingDirectory) {
        this.pod = pod;
        this.workingDirectory = workingDirectory;
    }

    /** Fills volumes of its own; a volume that is a claim, or of a claim's template, is the directory that is given. */
    static PodOnThisMachine of(Manifests manifests, String owner, Path claim) throws IOException {
        PodOnThisMachine machine =
                new PodOnThisMachine(manifests.pod(owner), Files.createTempDirectory(claim.getParent(), "working"));
        for (JsonNode mount : machine.pod.container().path("volumeMounts")) {
            boolean isWritten =
                    List.of("data", "tmp").contains(mount.path("name").asText());
            machine.mounts.put(
                    mount.path("mountPath").asText(),
                    mount.path("name").asText().equals("data")
                            ? claim
                            : Files.createTempDirectory(claim.getParent(), isWritten ? "tmp" : "settings"));
        }
        for (JsonNode volume : machine.pod.spec().path("volumes")) {
            machine.fill(manifests, volume, volume.path("name").asText());
        }
        return machine;
    }

    private void fill(Manifests manifests, JsonNode volume, String name) throws IOException {
        Path directory = mounts.get(mountPath(name));
        writeMap(manifests, volume.at("/configMap/name").asText(), directory);
        for (JsonNode source : volume.at("/projected/sources")) {
            writeMap(manifests, source.at("/configMap/name").asText(), directory);
            if (source.has("secret")) {
                JsonNode secret =
                        manifests.get("Secret", source.at("/secret/name").asText());
                for (JsonNode item : source.at("/secret/items")) {
                    Path file = directory.resolve(item.path("path").asText());
                    Files.createDirectories(file.getParent());
                    Files.writeString(
                            file,
                            secret.path("stringData")
                                    .path(item.path("key").asText())
                                    .asText());
                }
            }
        }
    }

    private String mountPath(String volume) {
        return Manifests.named(Manifests.list(pod.container().path("volumeMounts")), volume)
                .path("mountPath")
                .asText();
    }

    private void writeMap(Manifests manifests, String name, Path directory) throws IOException {
        if (!name.isEmpty()) {
            for (var file : manifests.get("ConfigMap", name).path("data").properties()) {
                Files.writeString(
                        directory.resolve(file.getKey()), here(file.getValue().asText()));
            }
        }
    }

    /** With the directories of this machine instead of those of the container; in one pass, since they begin alike. */
    private String here(String text) {
        String paths = mounts.keySet().stream().map(Pattern::quote).collect(Collectors.joining("|"));
        return Pattern.compile("(?<![\\w/.-])(" + paths + ")(?=/)")
                .matcher(text)
                .replaceAll(path ->
                        Matcher.quoteReplacement(mounts.get(path.group(1)).toString()));
    }

    /** The program of the container; what is given comes on top, such as a free port. */
    Program start(String jar, Map<String, String> more) throws IOException {
        List<String> arguments = new ArrayList<>();
        pod.container().path("args").forEach(argument -> arguments.add(argument.asText()));
        return start(jar, more, arguments);
    }

    /** Another command of it, in the same place, as {@code kubectl exec} starts it. */
    Program start(String jar, Map<String, String> more, List<String> arguments) throws IOException {
        Map<String, String> environment = new LinkedHashMap<>();
        for (JsonNode variable : pod.container().path("env")) {
            environment.put(
                    variable.path("name").asText(), here(variable.path("value").asText()));
        }
        environment.putAll(more);
        List<String> jvm = List.of("-Djava.io.tmpdir=" + mounts.get("/tmp"), "-XX:TieredStopAtLevel=1");
        return Program.java(
                jar,
                workingDirectory,
                environment,
                jvm,
                arguments.stream().map(this::here).toArray(String[]::new));
    }

    Path workingDirectory() {
        return workingDirectory;
    }
}
