// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Manifests.Pod;
import dev.flk.sample.SecretVolume;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
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
    private int versions;

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

    /**
     * Mounts a Secret that the chart does not make, or mounts it anew: with links, as the kubelet does it, and the mode that the volume has. The
     * kubelet gives files to the pod's group and lets that read them whatever the mode says.
     */
    void putSecret(String name, Map<String, String> entries) throws IOException {
        int mode = secretVolume(name).at("/secret/defaultMode").asInt(0644) | 0440;
        StringBuilder permissions = new StringBuilder();
        for (int bit = 8; bit >= 0; bit--) {
            permissions.append((mode >> bit & 1) == 1 ? "xwr".charAt(bit % 3) : '-');
        }
        putSecret(name, entries, permissions.toString());
    }

    /** The same with other permissions. */
    void putSecret(String name, Map<String, String> entries, String permissions) throws IOException {
        SecretVolume volume = new SecretVolume(
                mounts.get(mountPath(secretVolume(name).path("name").asText())));
        String version = "version-" + ++versions;
        Path files = volume.version(version);
        for (var entry : entries.entrySet()) {
            Path file = Files.writeString(files.resolve(entry.getKey()), entry.getValue());
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        }
        volume.swapTo(version);
    }

    private JsonNode secretVolume(String name) {
        return Manifests.list(pod.spec().path("volumes")).stream()
                .filter(volume -> volume.at("/secret/secretName").asText().equals(name))
                .findFirst()
                .orElseThrow();
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
