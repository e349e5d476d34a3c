import java.io.File;
import java.util.List;
import org.apache.maven.repository.internal.MavenRepositorySystemUtils;
import org.eclipse.aether.DefaultRepositorySystemSession;
import org.eclipse.aether.RepositorySystem;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.connector.basic.BasicRepositoryConnectorFactory;
import org.eclipse.aether.graph.Dependency;
import org.eclipse.aether.repository.LocalRepository;
import org.eclipse.aether.repository.RemoteRepository;
import org.eclipse.aether.repository.RepositoryPolicy;
import org.eclipse.aether.resolution.ArtifactDescriptorRequest;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.VersionRangeRequest;
import org.eclipse.aether.spi.connector.RepositoryConnectorFactory;
import org.eclipse.aether.spi.connector.transport.TransporterFactory;
import org.eclipse.aether.transport.file.FileTransporterFactory;

/** Maven's resolver: gets an artifact out of a repository, and says what it depends on. */
public final class Resolve {
    public static void main(String[] arguments) throws Exception {
        String directory = arguments[0];
        String local = arguments[1];
        String coordinates = arguments[2];
        var locator = MavenRepositorySystemUtils.newServiceLocator();
        locator.addService(
            RepositoryConnectorFactory.class, BasicRepositoryConnectorFactory.class);
        locator.addService(TransporterFactory.class, FileTransporterFactory.class);
        var system = locator.getService(RepositorySystem.class);
        DefaultRepositorySystemSession session = MavenRepositorySystemUtils.newSession();
        session.setLocalRepositoryManager(
            system.newLocalRepositoryManager(session, new LocalRepository(local)));
        var policy = new RepositoryPolicy(
            true, RepositoryPolicy.UPDATE_POLICY_ALWAYS, RepositoryPolicy.CHECKSUM_POLICY_FAIL);
        String url = new File(directory).toURI().toString();
        var repository =
            new RemoteRepository.Builder("models", "default", url).setPolicy(policy).build();
        var artifact = new DefaultArtifact(coordinates);
        var resolved =
            system.resolveArtifact(
                session, new ArtifactRequest(artifact, List.of(repository), null));
        System.out.println("file " + resolved.getArtifact().getFile());
        var descriptor =
            system.readArtifactDescriptor(
                session, new ArtifactDescriptorRequest(artifact, List.of(repository), null));
        for (Dependency dependency : descriptor.getDependencies()) {
            System.out.println(
                "depends " + dependency.getArtifact() + " " + dependency.getScope());
        }
        var any = artifact.setVersion("[0,)");
        var range =
            system.resolveVersionRange(
                session, new VersionRangeRequest(any, List.of(repository), null));
        System.out.println("versions " + range.getVersions());
    }
}
