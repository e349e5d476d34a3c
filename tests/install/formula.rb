# Homebrew's words as far as the formula of a release uses them, each with what Homebrew refuses.
# Prints what the formula says for one machine as JSON:
#   ruby formula.rb FORMULA macos|linux arm|intel
require "json"

class Formula
  SAID = { "depends_on" => [] }

  class << self
    %w[desc homepage version license url sha256].each do |name|
      define_method(name) do |value|
        raise "#{name} was said twice" if SAID.key?(name)

        SAID[name] = value
      end
    end

    %w[macos linux].each { |system| define_method("on_#{system}") { |&block| block.call if ARGV[1] == system } }
    %w[arm intel].each { |kind| define_method("on_#{kind}") { |&block| block.call if ARGV[2] == kind } }

    def depends_on(value)
      SAID["depends_on"] << value
    end

    def test(&block)
      define_method(:test, &block)
    end
  end

  # What is done in it, as calls.
  def calls
    @calls ||= []
  end

  def bin
    formula = self
    Class.new do
      define_method(:install) { |name| formula.calls << ["install", name] }
      define_method(:/) { |name| "bin/#{name}" }
      define_method(:to_s) { "bin" }
    end.new
  end

  def version
    SAID["version"]
  end

  def generate_completions_from_executable(*command)
    calls << ["completions", *command.map(&:to_s)]
  end

  def shell_output(command)
    calls << ["shell", command]
    "mlc-package #{version}"
  end

  def assert_match(expected, actual)
    raise "#{actual} does not have #{expected}" unless actual.include?(expected)
  end
end

load ARGV[0]
formula = MlcPackage.new
formula.install
formula.test
puts JSON.generate(Formula::SAID.merge("calls" => formula.calls))
