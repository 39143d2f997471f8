from setuptools import find_packages, setup

package_name = 'twinsight_bridge'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['web/page/static/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    zip_safe=True,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description='Serves live and replayed robot data to Foxglove and over HTTP.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'api = twinsight_bridge.api:main',
            'bridge = twinsight_bridge.bridge:main',
        ],
    },
)
